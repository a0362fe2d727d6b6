"""What ``artifact-signer sign`` does, from the artifacts that were named to the files that are left."""

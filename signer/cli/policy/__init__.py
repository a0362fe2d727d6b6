"""``artifact-signer policy``: one module for each family of its commands."""

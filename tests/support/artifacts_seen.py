"""Headers and manifests with the members that a test asks for."""

from __future__ import annotations

from typing import Any

from verifier import Header, Limits, Manifest


def header(**members: Any) -> Header:
    """A header, by default of a root file system named release-1 for a beaglebone."""
    said: dict[str, Any] = {
        "artifact_name": "release-1",
        "artifact_group": None,
        "device_types": ("beaglebone",),
        "depends_artifact_names": (),
        "depends_artifact_groups": (),
        "payload_types": ("rootfs-image",),
        "provides": {},
        "depends": {},
        "clears_provides": (),
        "scripts": (),
        "meta_data": None,
        "ignored_fields": (),
        "type_left_empty": False,
    }
    return Header(**{**said, **members})


def manifest(*files: str) -> Manifest:
    """A manifest of these payload files, by default one."""
    names = ["header.tar.gz", "version", *(f"data/0000/{name}" for name in files or ("rootfs.ext4",))]
    return Manifest.parse("".join(f"{'0' * 64}  {name}\n" for name in sorted(names)).encode(), limits=Limits())

"""The member ``version``: which format, and which version of it."""

from __future__ import annotations

from verifier._json import parse_object
from verifier.errors import UnsupportedVersion, VerificationError, VersionInvalid
from verifier.limits import Limits

FORMAT = "mender"
FORMAT_VERSION = 3
_AS_WRITERS_WRITE_IT = b'{"format":"mender","version":3}'


def check_version(raw: bytes, *, limits: Limits) -> int:
    """The format version, which is 3; raises ``UnsupportedVersion`` or ``VersionInvalid`` otherwise."""
    if raw == _AS_WRITERS_WRITE_IT:  # which every rule below accepts
        return FORMAT_VERSION
    try:
        fields = parse_object(raw, document="version", limits=limits)
    except VerificationError:
        raise VersionInvalid from None
    version = fields.get("version")
    if fields.keys() != {"format", "version"} or fields["format"] != FORMAT or type(version) is not int:
        raise VersionInvalid
    if version != FORMAT_VERSION:
        raise UnsupportedVersion(version=version)
    return version

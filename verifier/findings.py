"""Findings: an artifact is valid, and a careful reviewer wants to know something about it."""

from __future__ import annotations

import enum

from verifier._record import Record


class FindingCode(enum.Enum):
    """What was found; the value is stable and documented."""

    SIGNATURE_DER = "signature-der"
    """The ECDSA signature is in ASN.1 DER, which Go clients and mender-artifact before 3.11.3 refuse."""

    RSA_KEY_SHORT = "rsa-key-short"
    """The RSA key has fewer than 2048 bits."""

    PAYLOAD_NAME_SUFFIX = "payload-name-suffix"
    """A payload name ends in ``.gz``, ``.xz`` or ``.zst``: some clients do not check such a file's digest."""

    PAYLOAD_MODE = "payload-mode"
    """A payload file is setuid, setgid or writable by everybody; its mode is not signed."""

    ZSTD_CLIENTS = "zstd-clients"
    """A member is compressed with zstd, which Go clients before 3.5.0 and mender-artifact before 3.10.0 do not read."""

    HIDDEN_BYTES = "hidden-bytes"
    """The padding after a member holds bytes other than zero, where nobody looks."""

    TYPE_INFO_EMPTY = "type-info-empty"
    """``type-info`` leaves the payload type empty, as mender-artifact before 4.4.0 wrote it; 4.4.0 does not read it."""

    FIELD_IGNORED = "field-ignored"
    """A field of ``type-info`` that clients ignore: perhaps a misspelling."""

    SCRIPT_NOT_EXECUTABLE = "script-not-executable"
    """A state script without an executable bit, which Go clients do not run."""


class Finding(Record):
    """One finding. ``subject`` is the file, member or field it is about, if any."""

    code: FindingCode
    subject: str | None = None
    value: int | None = None
    """Bits of a key, bytes of a signature, or permission bits of a file."""

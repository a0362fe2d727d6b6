"""Every bound of the package, in one place.

A parser of hostile input compares only with a field of ``Limits``; no number of its own. Each field says its
unit, and ``None`` means unbounded where a field allows it. What exceeds a bound is refused with
``LimitExceeded``, whose ``limit`` is the name of the field.
"""

from __future__ import annotations

from verifier._record import Record

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# Writers compress with xz's 64 MiB dictionary; the decoder needs a little beside it.
XZ_DICTIONARY_BYTES = 64 * MIB
XZ_DECODER_SLACK_BYTES = 2 * MIB


class Limits(Record):
    """What a reader is willing to spend on one artifact. The defaults suit devices and servers alike.

    Memory of a whole verification stays near ``4 * chunk_bytes + decompression_memory_bytes`` in the worst
    case; without xz or zstd it stays near ``4 * chunk_bytes``.
    """

    artifact_bytes: int | None = None
    """Bytes of the whole artifact as stored; unbounded unless set."""

    version_bytes: int = 1 * KIB
    """Bytes of the member ``version`` (writers: 31)."""

    manifest_bytes: int = 1 * MIB
    """Bytes of the member ``manifest`` (writers: 200-500)."""

    payload_files: int = 4096
    """Payload files that a manifest may list."""

    payload_entry_bytes: int = 100
    """Bytes of a payload file's entry in the manifest, ``data/0000/`` included; C++ clients refuse longer ones."""

    signature_bytes: int = 4 * KIB
    """Bytes of the member ``manifest.sig``; base64 of an RSA-16384 signature needs 2732."""

    header_compressed_bytes: int = 8 * MIB
    """Bytes of the header member as stored; it is held in memory until its digest is known."""

    header_uncompressed_bytes: int = 32 * MIB
    """Bytes of the header's tar archive, state scripts included."""

    scripts: int = 1024
    """State scripts in a header."""

    json_bytes: int = 1 * MIB
    """Bytes of one JSON document in the header."""

    json_depth: int = 64
    """Levels of nesting in a JSON document."""

    header_text_bytes: int = 256
    """Bytes of UTF-8 of each text in ``header-info``: name, group, device types, and what it depends on."""

    file_name_bytes: int = 255
    """Bytes of a state script's name and of a payload type: both become names of files on a device."""

    tar_extension_bytes: int = 64 * KIB
    """Bytes of one PAX header or GNU long name."""

    tar_extensions_total_bytes: int = 1 * MIB
    """Bytes of all PAX headers and GNU long names of one archive: each record of them costs."""

    zero_padding_bytes: int = 16 * MIB
    """Zero bytes after the end of a tar archive (GNU tar pads to 10 KiB)."""

    payload_uncompressed_bytes: int | None = 1024 * GIB
    """Bytes of the data member's tar archive after decompression."""

    decompression_memory_bytes: int = XZ_DICTIONARY_BYTES + XZ_DECODER_SLACK_BYTES
    """Bytes that a decompressor may allocate for its dictionary or window."""

    compressed_streams: int = 1024
    """gzip members or zstd frames of a member, besides one for each KiB of it: each costs, however small it is."""

    xz_chunks: int = 1024
    """LZMA2 chunks of an xz member, besides one for each 64 bytes of it (encoders: 250 bytes and more)."""

    decompression_ratio: int = 2000
    """Bytes out per byte in, once ``decompression_ratio_floor_bytes`` have come out (gzip's most: 1032)."""

    decompression_ratio_floor_bytes: int = 1 * GIB
    """Bytes that a member may expand to before its ratio counts; sparse images compress very well."""

    chunk_bytes: int = 1 * MIB
    """Bytes read or decompressed at a time."""

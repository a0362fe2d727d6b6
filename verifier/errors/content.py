"""Refusals of contents: compression, the header's documents, the payload."""

from __future__ import annotations

from typing import ClassVar

from verifier.errors.base import MalformedArtifact, UnsupportedArtifact


class CompressionMismatch(MalformedArtifact):
    """The suffix of ``member`` promises one compression, its first bytes show another."""

    code: ClassVar[str] = "compression-mismatch"
    member: str
    promised: str
    found: str


class UnsupportedCompression(UnsupportedArtifact):
    """The suffix of ``member`` stands for no compression that clients read."""

    code: ClassVar[str] = "unsupported-compression"
    member: str


class CompressionCorrupt(MalformedArtifact):
    """The compressed bytes of ``member`` do not decompress."""

    code: ClassVar[str] = "compression-corrupt"
    member: str
    compression: str


class CompressionFieldRefused(UnsupportedArtifact):
    """The compressed stream of ``member`` has a form that some clients refuse; ``field`` says which."""

    code: ClassVar[str] = "compression-field-refused"
    member: str
    field: str


class CompressedTrailingData(MalformedArtifact):
    """Bytes after the end of the compressed stream of ``member``."""

    code: ClassVar[str] = "compressed-trailing-data"
    member: str


class JsonInvalid(MalformedArtifact):
    """``document`` is not JSON as every client reads it: UTF-8, one value, finite numbers."""

    code: ClassVar[str] = "json-invalid"
    document: str


class JsonKeyRepeated(MalformedArtifact):
    """A key occurs twice in one object, perhaps in other letter case; clients may pick different ones."""

    code: ClassVar[str] = "json-key-repeated"
    document: str
    key: str


class JsonFieldUnknown(MalformedArtifact):
    """A field that clients refuse because they do not know it; ``field`` is dotted."""

    code: ClassVar[str] = "json-field-unknown"
    document: str
    field: str


class JsonFieldAmbiguous(MalformedArtifact):
    """A field that differs from a known one by upper and lower case: Go clients take it for the known one."""

    code: ClassVar[str] = "json-field-ambiguous"
    document: str
    field: str


class JsonFieldMissing(MalformedArtifact):
    """A required field is absent; ``field`` is dotted."""

    code: ClassVar[str] = "json-field-missing"
    document: str
    field: str


class JsonFieldTypeWrong(MalformedArtifact):
    """A field has another type than ``expected``; the whole document when ``field`` is empty."""

    code: ClassVar[str] = "json-field-type-wrong"
    document: str
    field: str
    expected: str


class ArtifactNameInvalid(MalformedArtifact):
    """The artifact's name or group (``field``) is empty, too long, or has characters that do not print."""

    code: ClassVar[str] = "artifact-name-invalid"
    field: str
    name: str


class HeaderTextInvalid(MalformedArtifact):
    """A device type, or a name or group that is depended on (``field``), is too long or does not print."""

    code: ClassVar[str] = "header-text-invalid"
    field: str
    text: str


class DependsEmpty(MalformedArtifact):
    """The list ``field`` of what is depended on is empty, which C++ clients fail at."""

    code: ClassVar[str] = "depends-empty"
    field: str


class ReservedKey(MalformedArtifact):
    """``type-info`` has in ``field`` a key that belongs to ``header-info``; clients differ about which one counts."""

    code: ClassVar[str] = "reserved-key"
    field: str
    key: str


class DeviceTypesInvalid(MalformedArtifact):
    """The list of device types is empty, or one of them is."""

    code: ClassVar[str] = "device-types-invalid"


class PayloadTypeEmpty(MalformedArtifact):
    """A payload type is the empty string; an artifact without payload has ``null``."""

    code: ClassVar[str] = "payload-type-empty"


class PayloadTypeInvalid(MalformedArtifact):
    """A payload type is no single safe component of a path; devices run the program that it names."""

    code: ClassVar[str] = "payload-type-invalid"
    payload_type: str


class PayloadFilesTooMany(MalformedArtifact):
    """A payload of this type has at most one file."""

    code: ClassVar[str] = "payload-files-too-many"
    payload_type: str
    count: int


class SeveralPayloads(UnsupportedArtifact):
    """The header does not have exactly one payload; clients support one."""

    code: ClassVar[str] = "several-payloads"
    count: int


class TypeInfoMismatch(MalformedArtifact):
    """``type-info`` and ``header-info`` name different payload types."""

    code: ClassVar[str] = "type-info-mismatch"
    header_info: str | None
    type_info: str | None


class HeaderMemberUnexpected(MalformedArtifact):
    """A file in the header that may not come here; ``expected`` are those that may."""

    code: ClassVar[str] = "header-member-unexpected"
    name: str
    expected: tuple[str, ...]


class HeaderMemberMissing(MalformedArtifact):
    """The header ended before one of ``expected``."""

    code: ClassVar[str] = "header-member-missing"
    expected: tuple[str, ...]


class ScriptNameInvalid(MalformedArtifact):
    """A state script's name is not ``<State>_<Enter|Leave|Error>_NN[_description]``, or is too long."""

    code: ClassVar[str] = "script-name-invalid"
    name: str


class ScriptRepeated(MalformedArtifact):
    """A state script occurs twice."""

    code: ClassVar[str] = "script-repeated"
    name: str


class MetaDataWithoutPayload(MalformedArtifact):
    """An artifact without payload has a ``meta-data`` file, which C++ clients refuse."""

    code: ClassVar[str] = "meta-data-without-payload"


class PayloadNameInvalid(MalformedArtifact):
    """A payload file's name has other characters than ``A-Z a-z 0-9 _ - . ,``, or is too long."""

    code: ClassVar[str] = "payload-name-invalid"
    name: str


class PayloadNotListed(MalformedArtifact):
    """A payload file that the manifest does not list: nothing signs it."""

    code: ClassVar[str] = "payload-not-listed"
    name: str


class PayloadMissing(MalformedArtifact):
    """Files that the manifest lists and that the payload does not hold."""

    code: ClassVar[str] = "payload-missing"
    names: tuple[str, ...]


class PayloadRepeated(MalformedArtifact):
    """A payload file occurs twice."""

    code: ClassVar[str] = "payload-repeated"
    name: str


class PayloadUnexpected(MalformedArtifact):
    """An artifact whose payload type is ``null`` has or lists a payload file."""

    code: ClassVar[str] = "payload-unexpected"
    name: str

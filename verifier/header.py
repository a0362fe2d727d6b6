"""The header: what an artifact is called, which devices it is for, and what it carries.

1. ``header-info`` first, then state scripts, then one ``headers/0000/type-info``, then perhaps
   ``headers/0000/meta-data``; nothing else, each once.
2. ``header-info`` has no unknown field; one payload; a name; at least one device type.
3. ``type-info`` repeats the payload type. mender-artifact before 4.4.0 leaves it empty for ``rootfs-image``, and
   every client allows for that.
4. What ``header-info`` says of the name, the group and the devices is not said again in ``type-info``: Go clients
   refuse that, and for C++ clients the second one counts.
5. A payload type is the name of a program on the device, in one folder: one safe component of a path.
6. ``meta-data`` is empty or a JSON object; an artifact without payload has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from verifier import _json
from verifier._record import Record
from verifier.errors import (
    ArtifactNameInvalid,
    DependsEmpty,
    DeviceTypesInvalid,
    HeaderTextInvalid,
    JsonFieldMissing,
    MetaDataWithoutPayload,
    PayloadTypeEmpty,
    PayloadTypeInvalid,
    ReservedKey,
    SeveralPayloads,
    TypeInfoMismatch,
)
from verifier.limits import Limits

HEADER_INFO = "header-info"
TYPE_INFO = "headers/0000/type-info"
META_DATA = "headers/0000/meta-data"

ROOTFS_IMAGE = "rootfs-image"
_RESERVED = frozenset({"artifact_name", "artifact_group", "device_type"})
_NO_PATH_COMPONENT = re.compile("[/\\x00-\\x1f\\x7f-\\x9f]")
_HEADER_INFO_FIELDS = frozenset({"payloads", "artifact_provides", "artifact_depends"})
_PROVIDES_FIELDS = frozenset({"artifact_name", "artifact_group"})
_DEPENDS_FIELDS = frozenset({"artifact_name", "device_type", "artifact_group"})
_TYPE_INFO_FIELDS = frozenset(
    {"type", "artifact_provides", "artifact_depends", "clears_artifact_provides"},
)


class Header(Record):
    """What a header says. It proves something only together with a manifest that holds its digest."""

    artifact_name: str
    artifact_group: str | None
    device_types: tuple[str, ...]
    """The device types that the artifact installs on; at least one."""
    depends_artifact_names: tuple[str, ...]
    """The artifacts one of which must be installed before; empty for any."""
    depends_artifact_groups: tuple[str, ...]
    """The groups to one of which the installed artifact must belong; empty for any."""
    payload_types: tuple[str | None, ...]
    """One payload type; ``None`` for an artifact without payload."""
    provides: Mapping[str, str]
    """What the payload provides, from ``type-info``."""
    depends: Mapping[str, str]
    """What the payload depends on, from ``type-info``."""
    clears_provides: tuple[str, ...]
    """Patterns of what an installation clears of earlier provides."""
    scripts: tuple[str, ...]
    """The names of the state scripts, in stored order."""
    meta_data: Mapping[str, Any] | None
    """The payload's meta-data; ``None`` where the file is absent or empty."""
    ignored_fields: tuple[str, ...]
    """Fields of ``type-info`` that no client knows and every client ignores."""
    type_left_empty: bool
    """Whether ``type-info`` leaves the payload type empty."""

    @property
    def payload_type(self) -> str | None:
        """The one payload type; ``None`` for an artifact without payload."""
        return self.payload_types[0]


def parse_header(files: Mapping[str, bytes], *, scripts: tuple[str, ...], limits: Limits) -> Header:
    """Read the documents of a header by name: ``header-info``, ``type-info`` and perhaps ``meta-data``."""
    info = _json.parse_object(files[HEADER_INFO], document=HEADER_INFO, limits=limits)
    _json.check_known(info, _HEADER_INFO_FIELDS, document=HEADER_INFO)
    payload_type = _payload_type(info, limits)
    provides = _object(info, "artifact_provides", _PROVIDES_FIELDS)
    depends = _object(info, "artifact_depends", _DEPENDS_FIELDS)
    type_info = _json.parse_object(files[TYPE_INFO], document=TYPE_INFO, limits=limits)
    type_left_empty = _type_left_empty(type_info, payload_type)
    return Header(
        artifact_name=_name(provides, "artifact_name", limits=limits),
        artifact_group=_name(provides, "artifact_group", limits=limits) if "artifact_group" in provides else None,
        device_types=_device_types(depends, limits),
        depends_artifact_names=_depends(depends, "artifact_name", limits),
        depends_artifact_groups=_depends(depends, "artifact_group", limits),
        payload_types=(payload_type,),
        provides=_of_the_payload(type_info, "artifact_provides"),
        depends=_of_the_payload(type_info, "artifact_depends"),
        clears_provides=_json.strings(
            type_info.get("clears_artifact_provides", []),
            document=TYPE_INFO,
            field="clears_artifact_provides",
        ),
        scripts=scripts,
        meta_data=_meta_data(files.get(META_DATA), payload_type, limits=limits),
        ignored_fields=_json.unknown_fields(type_info, _TYPE_INFO_FIELDS, document=TYPE_INFO),
        type_left_empty=type_left_empty,
    )


def _required(value: dict[str, Any], field: str, *, document: str, path: str = "") -> Any:
    if field not in value:
        raise JsonFieldMissing(document=document, field=path + field)
    return value[field]


def _object(info: dict[str, Any], field: str, known: frozenset[str]) -> dict[str, Any]:
    value = _json.typed(_required(info, field, document=HEADER_INFO), dict, document=HEADER_INFO, field=field)
    _json.check_known(value, known, document=HEADER_INFO, path=f"{field}.")
    result: dict[str, Any] = value
    return result


def _payload_type(info: dict[str, Any], limits: Limits) -> str | None:
    payloads = _required(info, "payloads", document=HEADER_INFO)
    payloads = _json.typed(payloads, list, document=HEADER_INFO, field="payloads")
    if len(payloads) != 1:
        raise SeveralPayloads(count=len(payloads))
    payload = _json.typed(payloads[0], dict, document=HEADER_INFO, field="payloads[]")
    _json.check_known(payload, frozenset({"type"}), document=HEADER_INFO, path="payloads[].")
    kind = _required(payload, "type", document=HEADER_INFO, path="payloads[].")
    if kind is None:
        return None
    name: str = _json.typed(kind, str, document=HEADER_INFO, field="payloads[].type")
    if not name:
        raise PayloadTypeEmpty
    too_long = len(name.encode("utf-8")) > limits.file_name_bytes
    if too_long or name in {".", ".."} or _NO_PATH_COMPONENT.search(name):
        raise PayloadTypeInvalid(payload_type=name)
    return name


def _name(provides: dict[str, Any], field: str, *, limits: Limits) -> str:
    path = "artifact_provides."
    value = _required(provides, field, document=HEADER_INFO, path=path)
    name: str = _json.typed(value, str, document=HEADER_INFO, field=path + field)
    if not name or not _is_text(name, limits):
        raise ArtifactNameInvalid(field=field, name=name)
    return name


def _is_text(value: str, limits: Limits) -> bool:
    """Whether clients accept ``value`` for a text in ``header-info`` (mender-artifact's rule since 4.1.1)."""
    return value.isprintable() and len(value.encode("utf-8")) <= limits.header_text_bytes


def _texts(depends: dict[str, Any], field: str, limits: Limits) -> tuple[str, ...]:
    path = f"artifact_depends.{field}"
    texts = _json.strings(depends[field], document=HEADER_INFO, field=path)
    for text in texts:
        if not _is_text(text, limits):
            raise HeaderTextInvalid(field=path, text=text)
    return texts


def _device_types(depends: dict[str, Any], limits: Limits) -> tuple[str, ...]:
    _required(depends, "device_type", document=HEADER_INFO, path="artifact_depends.")
    types = _texts(depends, "device_type", limits)
    if not types or "" in types:
        raise DeviceTypesInvalid
    return types


def _depends(depends: dict[str, Any], field: str, limits: Limits) -> tuple[str, ...]:
    if field not in depends:
        return ()
    texts = _texts(depends, field, limits)
    if not texts:  # C++ clients fail when they match it
        raise DependsEmpty(field=f"artifact_depends.{field}")
    return texts


def _of_the_payload(type_info: dict[str, Any], field: str) -> Mapping[str, str]:
    values = _json.string_map(type_info.get(field, {}), document=TYPE_INFO, field=field)
    for key in values:
        if _json.folded(key) in _RESERVED:
            raise ReservedKey(field=field, key=key)
    return MappingProxyType(values)


def _type_left_empty(type_info: dict[str, Any], payload_type: str | None) -> bool:
    """Whether ``type-info`` leaves the type empty, as is allowed for one; raises unless both name the same type."""
    stated = _required(type_info, "type", document=TYPE_INFO)
    if stated is not None:
        stated = _json.typed(stated, str, document=TYPE_INFO, field="type")
    if stated == "" and payload_type == ROOTFS_IMAGE:
        return True
    if stated != payload_type:
        raise TypeInfoMismatch(header_info=payload_type, type_info=stated)
    return False


def _meta_data(raw: bytes | None, payload_type: str | None, *, limits: Limits) -> Mapping[str, Any] | None:
    if raw is not None and payload_type is None:
        raise MetaDataWithoutPayload
    return _json.parse_object(raw, document=META_DATA, limits=limits) if raw else None

"""header-info: a name, devices, one payload, and no field that is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.artifacts.breaks import append, constant, cut, less, swap
from tests.artifacts.builder import ArtifactBuilder, Edit, Json, Stage

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import (
    DEPENDS,
    EMPTY_LIST,
    JSON_ABSENT,
    JSON_LENIENT,
    JSON_TAIL,
    JSON_TEXT,
    NAME_UNCHECKED,
    SECOND_PAYLOAD,
    TEXT_LENGTH,
    TYPE_DIFFERS,
    TYPE_PATH,
)

NAME_LIMIT = 256


def info(**fields: Any) -> ArtifactBuilder:
    """The usual artifact with fields of header-info set."""
    return signed().edited(Stage.HEADER_INFO, lambda header_info: {**header_info, **fields})


def provides(**fields: Any) -> ArtifactBuilder:
    """The usual artifact with fields of header-info's artifact_provides set."""
    return signed().edited(Stage.HEADER_INFO, lambda header_info: _within(header_info, "artifact_provides", fields))


def depends(**fields: Any) -> ArtifactBuilder:
    """The usual artifact with fields of header-info's artifact_depends set."""
    return signed().edited(Stage.HEADER_INFO, lambda header_info: _within(header_info, "artifact_depends", fields))


def info_without(*path: str) -> ArtifactBuilder:
    """The usual artifact, one field of header-info missing."""
    return signed().edited(Stage.HEADER_INFO, lambda header_info: less(header_info, *path))


def info_text(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the text of header-info changed."""
    return signed().edited(Stage.HEADER_INFO_JSON, edit)


def _within(header_info: Json, part: str, fields: Json) -> Json:
    return {**header_info, part: {**header_info[part], **fields}}


CASES: tuple[Case, ...] = (
    accepted("a group is provided", provides(artifact_group="stable")),
    accepted(
        "names and groups are depended on",
        depends(artifact_name=["a", "b"]),
        go=Go.ONLY_TOOL_ACCEPTS,
        why=DEPENDS,
    ),
    accepted("there are several device types", depends(device_type=["corpus-device", "other-device"])),
    accepted("the name has 256 characters", replace(signed(), name="n" * NAME_LIMIT)),
    accepted("the name has blanks and signs", replace(signed(), name="release 1.0 (beta) / x+y")),
    accepted("the name is in Greek", replace(signed(), name="έκδοση-1")),
    accepted(
        "header-info is pretty-printed",
        info_text(lambda text: text.replace(b",", b",\n  ").replace(b":", b": ")),
    ),
    accepted("the name has 256 bytes of Greek", replace(signed(), name="έ" * (NAME_LIMIT // 2))),
    lax(
        "the name has 129 characters of two bytes",
        replace(signed(), name="έ" * (NAME_LIMIT // 2 + 1)),
        "artifact-name-invalid",
        NAME_UNCHECKED,
    ),
    lax(
        "the group has 257 characters",
        provides(artifact_group="g" * (NAME_LIMIT + 1)),
        "artifact-name-invalid",
        NAME_UNCHECKED,
    ),
    accepted("a device type has 256 characters", depends(device_type=["corpus-device", "d" * NAME_LIMIT])),
    lax(
        "a device type has 257 characters",
        depends(device_type=["corpus-device", "d" * (NAME_LIMIT + 1)]),
        "header-text-invalid",
        TEXT_LENGTH,
    ),
    accepted("a device type has 128 characters of two bytes", depends(device_type=["corpus-device", "έ" * 128])),
    lax(
        "a device type has 129 characters of two bytes",
        depends(device_type=["corpus-device", "έ" * (NAME_LIMIT // 2 + 1)]),
        "header-text-invalid",
        TEXT_LENGTH,
    ),
    lax(
        "the group has 129 characters of two bytes",
        provides(artifact_group="έ" * (NAME_LIMIT // 2 + 1)),
        "artifact-name-invalid",
        NAME_UNCHECKED,
    ),
    lax(
        "a device type has an escape character",
        depends(device_type=["corpus-device", "d\x1b[2J"]),
        "header-text-invalid",
        TEXT_LENGTH,
    ),
    *(
        lax(
            f"{field} of what is depended on {what}",
            depends(**{field: [text]}),
            "header-text-invalid",
            TEXT_LENGTH,
            go=Go.ONLY_TOOL_ACCEPTS,
        )
        for field in ("artifact_name", "artifact_group")
        for what, text in (
            ("has 257 characters", "n" * (NAME_LIMIT + 1)),
            ("has 129 characters of two bytes", "έ" * (NAME_LIMIT // 2 + 1)),
            ("has a newline", "a\nb"),
        )
    ),
    *(
        lax(f"no {field} is depended on, as a list", depends(**{field: []}), "depends-empty", EMPTY_LIST)
        for field in ("artifact_name", "artifact_group")
    ),
    *(
        lax(
            f"the payload's type is {kind!r}"[:60],
            replace(signed(), payload_type=kind),
            "payload-type-invalid",
            TYPE_PATH,
            go=Go.ONLY_TOOL_ACCEPTS,
        )
        for kind in ("../x", "/x", ".", "..", "a/b", "x/", "a\0b", "a\nb", "a\x7fb", "a\x9bb", "t" * 256)
    ),
    lax(
        "the name has 257 characters",
        replace(signed(), name="n" * (NAME_LIMIT + 1)),
        "artifact-name-invalid",
        NAME_UNCHECKED,
    ),
    lax(
        "the name has a newline",
        replace(signed(), name="release\n1"),
        "artifact-name-invalid",
        NAME_UNCHECKED,
    ),
    lax(
        "the name has an escape character",
        replace(signed(), name="release\x1b[2J"),
        "artifact-name-invalid",
        NAME_UNCHECKED,
    ),
    lax("the name is empty", replace(signed(), name=""), "artifact-name-invalid", JSON_ABSENT),
    refused("the name is a number", provides(artifact_name=1), "json-field-type-wrong"),
    lax("the name is null", provides(artifact_name=None), "json-field-type-wrong", JSON_ABSENT),
    refused("the name is a list", provides(artifact_name=["a"]), "json-field-type-wrong"),
    lax(
        "the name is missing",
        info_without("artifact_provides", "artifact_name"),
        "json-field-missing",
        JSON_ABSENT,
    ),
    lax(
        "artifact_provides is missing",
        info_without("artifact_provides"),
        "json-field-missing",
        JSON_ABSENT,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    lax(
        "artifact_provides is null",
        info(artifact_provides=None),
        "json-field-type-wrong",
        JSON_ABSENT,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused("artifact_provides has an unknown field", provides(colour="red"), "json-field-unknown"),
    refused("the group is a number", provides(artifact_group=7), "json-field-type-wrong"),
    lax(
        "artifact_depends is missing",
        info_without("artifact_depends"),
        "json-field-missing",
        JSON_ABSENT,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    lax(
        "artifact_depends is null",
        info(artifact_depends=None),
        "json-field-type-wrong",
        JSON_ABSENT,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    lax("artifact_depends has an unknown field", depends(colour=["red"]), "json-field-unknown", JSON_LENIENT),
    refused("device_type is missing", info_without("artifact_depends", "device_type"), "json-field-missing"),
    refused("device_type is an empty list", depends(device_type=[]), "device-types-invalid"),
    refused("device_type is a string", depends(device_type="corpus-device"), "json-field-type-wrong"),
    refused("device_type holds a number", depends(device_type=["corpus-device", 1]), "json-field-type-wrong"),
    lax(
        "device_type holds null",
        depends(device_type=["corpus-device", None]),
        "json-field-type-wrong",
        JSON_ABSENT,
    ),
    refused("device_type is null", depends(device_type=None), "json-field-type-wrong"),
    refused("the names depended on are a string", depends(artifact_name="corpus-release"), "json-field-type-wrong"),
    refused("header-info has an unknown field", info(colour="red"), "json-field-unknown"),
    refused("payloads is missing", info_without("payloads"), "json-field-missing"),
    refused("payloads is null", info(payloads=None), "json-field-type-wrong"),
    refused("payloads is empty", info(payloads=[]), "several-payloads"),
    refused("payloads is an object", info(payloads={"type": "corpus-module"}), "json-field-type-wrong"),
    lax(
        "there are two payloads",
        info(payloads=[{"type": "corpus-module"}] * 2),
        "several-payloads",
        SECOND_PAYLOAD,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused("the payload's type is missing", info(payloads=[{}]), "json-field-missing"),
    refused("the payload's type is empty", info(payloads=[{"type": ""}]), "payload-type-empty"),
    refused("the payload's type is a number", info(payloads=[{"type": 1}]), "json-field-type-wrong"),
    refused(
        "the payload's type is null but files are there",
        info(payloads=[{"type": None}]),
        "type-info-mismatch",
    ),
    lax(
        "the payload's type differs from type-info",
        info(payloads=[{"type": "other-module"}]),
        "type-info-mismatch",
        TYPE_DIFFERS,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused(
        "the payload has an unknown field",
        info(payloads=[{"type": "corpus-module", "x": 1}]),
        "json-field-unknown",
    ),
    lax(
        "header-info names a field twice",
        info_text(lambda text: text[:-1] + b',"payloads":[{"type":"corpus-module"}]}'),
        "json-key-repeated",
        JSON_LENIENT,
    ),
    lax(
        "header-info names the artifact twice",
        info_text(swap(b'{"artifact_name"', b'{"artifact_name":"other","artifact_name"')),
        "json-key-repeated",
        JSON_LENIENT,
    ),
    lax(
        "header-info's field is written Payloads",
        info_text(swap(b'"payloads"', b'"Payloads"')),
        "json-field-unknown",
        JSON_LENIENT,
    ),
    refused("header-info is a list", info_text(constant(b"[]")), "json-field-type-wrong"),
    refused("header-info is an empty object", info_text(constant(b"{}")), "json-field-missing"),
    refused("header-info is null", info_text(constant(b"null")), "json-field-type-wrong"),
    refused("header-info is empty", info_text(constant(b"")), "json-invalid"),
    refused("header-info is cut short", info_text(cut(1)), "json-invalid"),
    lax("header-info is followed by a second object", info_text(append(b"{}")), "json-invalid", JSON_TAIL),
    lax("header-info is followed by a word", info_text(append(b" x")), "json-invalid", JSON_TAIL),
    lax(
        "header-info is not UTF-8",
        info_text(swap(b"corpus-release", b"corpus-\xff\xfe")),
        "json-invalid",
        JSON_TEXT,
    ),
    lax(
        "header-info has an unpaired surrogate",
        info_text(swap(b"corpus-release", b"corpus-\\ud800")),
        "json-invalid",
        JSON_TEXT,
    ),
    refused(
        "header-info is nested too deeply",
        info_text(constant(b'{"payloads":' + b"[" * 50_000)),
        "limit-exceeded",
    ),
    refused(
        "header-info has a number of ten thousand digits",
        info(payloads=[{"type": "corpus-module"}], x=0).edited(
            Stage.HEADER_INFO_JSON, swap(b'"x":0', b'"x":' + b"9" * 10_000)
        ),
        "json-invalid",
    ),
    refused("header-info has NaN", info_text(lambda text: text[:-1] + b',"x":NaN}'), "json-invalid"),
)

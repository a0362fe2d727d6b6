"""type-info and meta-data: what the payload is, and what its update module is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.artifacts.breaks import after, append, constant, less, moved, swap, twice
from tests.artifacts.builder import ArtifactBuilder, Edit, Stage
from tests.artifacts.tarwriter import Member

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import CASE_ONLY, DEPENDS, HEADER_ORDER, JSON_LENIENT, JSON_TAIL, NO_PARTITION, RESERVED, TYPE_DIFFERS

TYPE_INFO = "headers/0000/type-info"


def type_info(**fields: Any) -> ArtifactBuilder:
    """The usual artifact with fields of type-info set."""
    return signed().edited(Stage.TYPE_INFO, lambda type_info: {**type_info, **fields})


def type_text(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the text of type-info changed."""
    return signed().edited(Stage.TYPE_INFO_JSON, edit)


def members(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the members of its header tar changed."""
    return signed().edited(Stage.HEADER_MEMBERS, edit)


def meta(text: bytes) -> ArtifactBuilder:
    """The usual artifact with meta-data."""
    return replace(signed(), meta_data=text)


COMPARED = Go.ONLY_TOOL_ACCEPTS, f"{RESERVED}; {DEPENDS}"
"""The client compares what is depended on with its device, and the tool does not."""
RESERVED_KEYS = {
    ("provides", "artifact_name"): (Go.ONLY_TOOL_ACCEPTS, RESERVED),
    ("provides", "artifact_group"): (Go.ACCEPT, RESERVED),
    ("provides", "device_type"): (Go.ACCEPT, RESERVED),
    ("provides", "Device_Type"): (Go.ACCEPT, RESERVED),
    ("provides", "ARTIFACT_NAME"): (Go.ACCEPT, RESERVED),
    ("depends", "artifact_name"): COMPARED,
    ("depends", "artifact_group"): COMPARED,
    ("depends", "device_type"): (Go.ONLY_TOOL_ACCEPTS, RESERVED),
    ("depends", "Device_Type"): COMPARED,
    ("depends", "ARTIFACT_NAME"): COMPARED,
}

TYPE = (
    accepted("type-info has an unknown field", type_info(colour="red"), "field-ignored"),
    accepted("type-info has its type only", signed().edited(Stage.TYPE_INFO, constant({"type": "corpus-module"}))),
    accepted("type-info depends on something provided", type_info(artifact_depends={})),
    lax(
        "type-info's field is written Artifact_Provides",
        signed().edited(Stage.TYPE_INFO, lambda info: {"type": info["type"], "Artifact_Provides": {"x": "1"}}),
        "json-field-ambiguous",
        JSON_LENIENT,
    ),
    lax(
        "type-info has artifact_provides and Artifact_Provides",
        type_info(Artifact_Provides={"x": "1"}),
        "json-key-repeated",
        JSON_LENIENT,
    ),
    accepted(
        "a rootfs image leaves its type out of type-info",
        replace(signed(), payload_type="rootfs-image", files=signed().files[:1]).edited(
            Stage.TYPE_INFO, lambda info: {**info, "type": ""}
        ),
        "type-info-empty",
        go=Go.ONLY_TOOL_ACCEPTS,
        why=NO_PARTITION,
    ),
    *(
        lax(f"type-info {part} {key}", type_info(**{f"artifact_{part}": {key: "x"}}), "reserved-key", why, go=go)
        for (part, key), (go, why) in RESERVED_KEYS.items()
    ),
    *(
        lax(
            f"keys of type-info's {part} differ in case only",
            type_info(**{f"artifact_{part}": {"rootfs": "x", "RootFS": "y"}}),
            "json-key-repeated",
            why,
            go=go,
        )
        for part, go, why in (
            ("provides", Go.ACCEPT, CASE_ONLY),
            ("depends", Go.ONLY_TOOL_ACCEPTS, f"{CASE_ONLY}; {DEPENDS}"),
        )
    ),
    accepted(
        "keys of type-info differ in the case of other letters", type_info(artifact_provides={"ä": "x", "Ä": "y"})
    ),
    lax(
        "type-info's type is missing",
        signed().edited(Stage.TYPE_INFO, lambda fields: less(fields, "type")),
        "json-field-missing",
        TYPE_DIFFERS,
    ),
    lax("type-info's type is another", type_info(type="other-module"), "type-info-mismatch", TYPE_DIFFERS),
    lax("type-info's type is null", type_info(type=None), "type-info-mismatch", TYPE_DIFFERS),
    lax("type-info's type is empty", type_info(type=""), "type-info-mismatch", TYPE_DIFFERS),
    refused("type-info's type is a list", type_info(type=["corpus-module"]), "json-field-type-wrong"),
    lax(
        "type-info's type differs in case",
        type_info(type="Corpus-Module"),
        "type-info-mismatch",
        TYPE_DIFFERS,
    ),
    refused("type-info provides a list", type_info(artifact_provides={"x": ["a", "b"]}), "json-field-type-wrong"),
    refused("type-info provides a number", type_info(artifact_provides={"x": 1}), "json-field-type-wrong"),
    refused("type-info provides null", type_info(artifact_provides={"x": None}), "json-field-type-wrong"),
    refused("type-info's provides is a list", type_info(artifact_provides=["x"]), "json-field-type-wrong"),
    refused("type-info's depends is a string", type_info(artifact_depends="x"), "json-field-type-wrong"),
    refused("type-info clears a string", type_info(clears_artifact_provides="x.*"), "json-field-type-wrong"),
    refused("type-info clears a number", type_info(clears_artifact_provides=[1]), "json-field-type-wrong"),
    lax(
        "type-info names its type twice",
        type_text(swap(b"{", b'{"type":"other-module",')),
        "json-key-repeated",
        JSON_LENIENT,
    ),
    refused("type-info is a list", type_text(constant(b"[]")), "json-field-type-wrong"),
    lax(
        "type-info is null",
        type_text(constant(b"null")),
        "json-field-type-wrong",
        TYPE_DIFFERS,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused("type-info is empty", type_text(constant(b"")), "json-invalid"),
    lax("type-info is followed by a word", type_text(append(b" x")), "json-invalid", JSON_TAIL),
)

NO_PAYLOAD_META = replace(meta(b"{}"), payload_type=None, files=())

META = (
    accepted("meta-data is an object", meta(b'{"a":{"b":[1,2.5,null,"x"]}}')),
    accepted("meta-data is an empty object", meta(b"{}")),
    accepted("meta-data is empty", meta(b"")),
    accepted("meta-data has a number of eighteen digits", meta(b'{"a":%d}' % 10**17)),
    refused("meta-data has a number over every range", meta(b'{"a":%d}' % 10**400), "json-invalid"),
    refused("meta-data has a fraction over every range", meta(b'{"a":1e999}'), "json-invalid"),
    lax("meta-data names a field twice", meta(b'{"a":1,"a":2}'), "json-key-repeated", JSON_LENIENT),
    refused(
        "meta-data is nested too deeply",
        meta(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
        "limit-exceeded",
    ),
    refused("meta-data is there without a payload", NO_PAYLOAD_META, "meta-data-without-payload"),
    refused("meta-data is a list", meta(b"[]"), "json-field-type-wrong"),
    refused("meta-data is a string", meta(b'"x"'), "json-field-type-wrong"),
    refused("meta-data is null", meta(b"null"), "json-field-type-wrong"),
    refused("meta-data is no JSON", meta(b"a = 1"), "json-invalid"),
    refused("meta-data is cut short", meta(b'{"a":'), "json-invalid"),
    lax("meta-data is followed by a word", meta(b"{} x"), "json-invalid", JSON_TAIL),
    lax(
        "meta-data is there twice",
        meta(b"{}").edited(Stage.HEADER_MEMBERS, twice("headers/0000/meta-data")),
        "header-member-unexpected",
        HEADER_ORDER,
    ),
    lax(
        "meta-data comes before type-info",
        meta(b"{}").edited(Stage.HEADER_MEMBERS, moved("headers/0000/meta-data", 1)),
        "header-member-unexpected",
        HEADER_ORDER,
    ),
    refused(
        "meta-data belongs to a second payload",
        members(after(TYPE_INFO, Member(name="headers/0001/meta-data", content=b"{}"))),
        "header-member-unexpected",
    ),
)

CASE = (
    *(
        lax(f"keys of meta-data differ in case only ({where})", meta(text), "json-key-repeated", CASE_ONLY)
        for where, text in {
            "at the top": b'{"a":1,"A":2}',
            "in an object": b'{"x":{"name":1,"Name":2}}',
            "in a list": b'{"x":[[{"k":1,"K":2}]]}',
        }.items()
    ),
    accepted("keys of meta-data differ in the case of other letters", meta('{"ä":1,"Ä":2}'.encode())),
)

CASES: tuple[Case, ...] = (*TYPE, *META, *CASE)

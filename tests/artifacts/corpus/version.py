"""The member `version`: exactly format mender, version 3."""

from __future__ import annotations

from tests.artifacts.breaks import constant, content, swap
from tests.artifacts.builder import VERSION, ArtifactBuilder, Stage

from .case import Case, accepted, lax, refused, signed
from .reasons import JSON_LENIENT, JSON_TAIL, UNBOUNDED


def says(text: bytes) -> ArtifactBuilder:
    """An artifact whose version member is `text`, covered by digest and signature."""
    return signed().edited(Stage.VERSION, constant(text))


LATER_BLANK = signed().edited(Stage.MEMBERS, content("version", swap(b":3", b": 3")))
WIDE = b'{"format":"mender","version":3' + b" " * (1 << 20) + b"}"
BOM = b"\xef\xbb\xbf"

CASES: tuple[Case, ...] = (
    accepted("the version has blanks inside its JSON", says(b'{ "format": "mender",\n "version": 3 }')),
    accepted("the version's fields are in the other order", says(b'{"version":3,"format":"mender"}')),
    refused("the version is 1", says(b'{"format":"mender","version":1}'), "unsupported-version"),
    refused("the version is 2", says(b'{"format":"mender","version":2}'), "unsupported-version"),
    refused("the version is 4", says(b'{"format":"mender","version":4}'), "unsupported-version"),
    refused("the version is 3.0", says(b'{"format":"mender","version":3.0}'), "version-invalid"),
    refused("the version is 3e0", says(b'{"format":"mender","version":3e0}'), "version-invalid"),
    refused("the version is a string", says(b'{"format":"mender","version":"3"}'), "version-invalid"),
    refused("the version is true", says(b'{"format":"mender","version":true}'), "version-invalid"),
    refused("the version is null", says(b'{"format":"mender","version":null}'), "version-invalid"),
    refused("the version is negative", says(b'{"format":"mender","version":-3}'), "unsupported-version"),
    refused("the version has no number", says(b'{"format":"mender"}'), "version-invalid"),
    lax("the version has no format", says(b'{"version":3}'), "version-invalid", JSON_LENIENT),
    lax("the format is another", says(b'{"format":"rauc","version":3}'), "version-invalid", JSON_LENIENT),
    lax(
        "the format is written Mender",
        says(b'{"format":"Mender","version":3}'),
        "version-invalid",
        JSON_LENIENT,
    ),
    refused("the version has an unknown field", says(b'{"format":"mender","version":3,"x":1}'), "version-invalid"),
    lax(
        "the version's field is written Version",
        says(b'{"format":"mender","Version":3}'),
        "version-invalid",
        JSON_LENIENT,
    ),
    lax(
        "the version names its number twice",
        says(b'{"format":"mender","version":2,"version":3}'),
        "version-invalid",
        JSON_LENIENT,
    ),
    refused("the version is a list", says(b'["mender",3]'), "version-invalid"),
    refused("the version is no JSON", says(b"mender 3"), "version-invalid"),
    refused("the version is empty", says(b""), "version-invalid"),
    accepted("the version ends in a newline", says(VERSION + b"\n")),
    accepted("white space is all around the version", says(b" \r\n\t" + VERSION.replace(b",", b" ,\n") + b"\n ")),
    refused("the version begins with a byte order mark", says(BOM + VERSION), "version-invalid"),
    lax("the version is followed by a word", says(VERSION + b" x"), "version-invalid", JSON_TAIL),
    lax("the version is followed by NUL", says(VERSION + b"\0"), "version-invalid", JSON_TAIL),
    lax("the version is a mebibyte of blanks", says(WIDE), "limit-exceeded", UNBOUNDED),
    refused("the version is nested too deeply", says(b'{"format":' + b"[" * 500), "version-invalid"),
    refused("the version is UTF-16", says(VERSION.decode().encode("utf-16")), "version-invalid"),
    refused("a blank was added to the version on the way", LATER_BLANK, "digest-mismatch"),
)

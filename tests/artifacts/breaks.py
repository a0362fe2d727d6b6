"""Edits with names: each changes one thing in the value of a builder's stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .compression import Compression, compress
from .tarwriter import Field, Member

Members = list[Member]
Json = dict[str, Any]
MembersEdit = Callable[[Members], Members]
BytesEdit = Callable[[bytes], bytes]


def flip(offset: int, bit: int = 0) -> BytesEdit:
    """Invert one bit of the byte at `offset` (negative: from the end)."""

    def edit(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[offset] ^= 1 << bit
        return bytes(changed)

    return edit


def swap(old: bytes, new: bytes) -> BytesEdit:
    """Replace the first `old`, which must be there, by `new`."""

    def edit(content: bytes) -> bytes:
        if old not in content:
            raise LookupError(f"{old!r} is not in the content")
        return content.replace(old, new, 1)

    return edit


def append(tail: bytes) -> BytesEdit:
    """Add `tail` at the end."""
    return lambda content: content + tail


def cut(count: int) -> BytesEdit:
    """Remove the last `count` bytes."""
    return lambda content: content[:-count]


def gzipped(content: bytes) -> bytes:
    """Compress the value with gzip."""
    return compress(content, Compression.GZIP)


def constant(content: Any) -> Callable[[Any], Any]:
    """Forget the value and use `content`."""
    return lambda _: content


def changed(name: str, /, **changes: Any) -> MembersEdit:
    """Replace fields of the member called `name` (also as a prefix: `header.tar` finds `header.tar.gz`)."""
    return _on(name, lambda member: [replace(member, **changes)])


def content(name: str, edit: BytesEdit) -> MembersEdit:
    """Apply `edit` to the content of a member, leaving everything made from it as it was."""
    return _on(name, lambda member: [replace(member, content=edit(_whole(member)))])


def field(name: str, where: Field, raw: bytes) -> MembersEdit:
    """Write `raw` into a header field of a member; the checksum is right unless it is the field."""
    return _on(name, lambda member: [replace(member, fields={**member.fields, where: raw})])


def without(name: str) -> MembersEdit:
    """Leave a member out."""
    return _on(name, lambda _: [])


def twice(name: str) -> MembersEdit:
    """Write a member a second time, right after itself."""
    return _on(name, lambda member: [member, member])


def after(name: str, *added: Member) -> MembersEdit:
    """Insert members right after the one called `name`."""
    return _on(name, lambda member: [member, *added])


def before(name: str, *added: Member) -> MembersEdit:
    """Insert members right before the one called `name`."""
    return _on(name, lambda member: [*added, member])


def moved(name: str, index: int) -> MembersEdit:
    """Take a member out and insert it at `index` of what remains."""

    def edit(members: Members) -> Members:
        chosen = _find(members, name)
        others = [member for member in members if member is not chosen]
        others.insert(index, chosen)
        return others

    return edit


def every(**changes: Any) -> MembersEdit:
    """Replace the same fields of all members."""
    return lambda members: [replace(member, **changes) for member in members]


def less(fields: Json, *path: str) -> Json:
    """The JSON object without the field that `path` leads to."""
    first, *rest = path
    if rest:
        return {**fields, first: less(fields[first], *rest)}
    return {key: item for key, item in fields.items() if key != first}


def digest_of(name: str, edit: Callable[[str], str]) -> Callable[[list[tuple[str, str]]], Any]:
    """Change the digest of one manifest line."""
    return lambda lines: [(edit(digest) if name == listed else digest, listed) for digest, listed in lines]


def without_line(name: str) -> Callable[[list[tuple[str, str]]], Any]:
    """Leave a line (or, by prefix, several) out of the manifest."""
    return lambda lines: [line for line in lines if not line[1].startswith(name)]


def _on(name: str, edit: Callable[[Member], Members]) -> MembersEdit:
    def apply(members: Members) -> Members:
        chosen = _find(members, name)
        return [new for member in members for new in (edit(member) if member is chosen else [member])]

    return apply


def _find(members: Members, name: str) -> Member:
    exact = [member for member in members if member.name == name]
    found = exact or [member for member in members if member.name.startswith(name)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} members match {name!r}")
    return found[0]


def _whole(member: Member) -> bytes:
    if not isinstance(member.content, bytes):
        raise TypeError(f"the content of {member.name} is not in memory")
    return member.content

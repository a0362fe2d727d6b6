"""What stands beside a leaf in a database, compared with what the leaf says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from signer.domain.log_rows import LeafRow, SignatureRow

SIGNED = ("signature", "signature-repeated")


def _member(name: str) -> Callable[[Mapping[str, Any]], object]:
    return lambda members: members.get(name)


# What each column has to be, drawn from the members. A column that is not here is one that nobody compares, and wrong.
COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "leaf_id": lambda members: bytes.fromhex(members["id"]),
    "type": _member("type"),
    "at": _member("time"),
    "actor": _member("actor"),
    "key": _member("key"),
    "key_version": _member("key_version"),
    "artifact": _member("artifact"),
    "manifest_sha256": _member("manifest_sha256"),
    "checked": _member("checked"),
    "emergency": lambda members: members.get("emergency", False),
}


def differing(index: int, members: Mapping[str, Any], row: LeafRow, leaf_hash: bytes) -> str | None:
    """The first column that is not what it has to be; None where all are."""
    if row.hash != leaf_hash:
        return "hash"
    for name, found in row.columns.items():
        wanted = COLUMNS.get(name)
        if wanted is None or wanted(members) != found:
            return name
    signature = row.signature
    if members["type"] not in SIGNED:
        return None if signature is None else "signature_id"
    return "signature_id" if signature is None else _signature(index, members, signature)


def _signature(index: int, members: Mapping[str, Any], row: SignatureRow) -> str | None:
    """The row of a signature that leaves are about has the index of the first of them."""
    found = (row.manifest_sha256, row.signature, row.key, row.version)
    signature = str(members["signature"]).encode()
    wanted = (members["manifest_sha256"], signature, members["key"], members["key_version"])
    if found != wanted:
        return "signature_id (the signature on record is another)"
    return None if row.id <= index else "signature_id"

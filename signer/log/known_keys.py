"""The keys of a log as its own leaves tell them."""

from __future__ import annotations

from signer.services.ports import LeafQuery, LogReader
from verifier.errors import LeafMalformed, VerifierKeyInvalid
from verifier.log import VerifierKey, parsed_leaf

ABOUT_KEYS = ("log-created", "log-key-changed", "log-continued")
MAX_LEAVES = 10_000


def told_keys(reader: LogReader) -> list[tuple[VerifierKey, ...]]:
    """Each list of keys that the log ever named, the present one last. What is no key is none."""
    found = reader.find(LeafQuery(first=0, limit=MAX_LEAVES, types=ABOUT_KEYS))
    lists = (_keys(entry.leaf) for entry in found)
    return [keys for keys in lists if keys]


def _keys(leaf: bytes) -> tuple[VerifierKey, ...]:
    try:
        listed = parsed_leaf(leaf).get("keys")
        return tuple(VerifierKey.parse(str(text)) for text in listed) if isinstance(listed, list) else ()
    except (LeafMalformed, VerifierKeyInvalid):
        return ()

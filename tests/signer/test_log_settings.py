"""``[[log.witnesses]]``: what is a witness, and what is refused for one before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from signer.log_settings import LogSettings
from tests.support.made_logs import NoteKey
from verifier.log import KeyType

KEY = str(NoteKey.ed25519(1, "w.example", KeyType.COSIGNATURE).verifier)
OTHER = str(NoteKey.ed25519(2, "w.example", KeyType.COSIGNATURE).verifier)
ONE = {"name": "one", "url": "https://w.example:8444/x", "verifier_key": KEY}


def settings(*tables: dict[str, Any]) -> LogSettings:
    return LogSettings.model_validate({"witnesses": tables})


def test_witnesses_are_taken_with_paths_beside_the_file() -> None:
    made = settings(ONE | {"ca_file": "ca.crt"}, {"name": "two", "url": "http://127.0.0.1:1", "verifier_key": OTHER})
    below = made.below(Path("/etc/signer"))
    assert [each.ca_file for each in below.witnesses] == [Path("/etc/signer/ca.crt"), None]
    assert below.witness_file == Path("/etc/signer/log.checkpoint.witnesses")


REFUSED: dict[str, tuple[dict[str, Any], ...]] = {
    "plain HTTP to another machine": (ONE | {"url": "http://w.example"},),
    "a URL with a password": (ONE | {"url": "https://a:b@w.example"},),
    "no URL": (ONE | {"url": "w.example"},),
    "the key of a log": (ONE | {"verifier_key": str(NoteKey.ed25519(1).verifier)},),
    "a key with a typing error": (ONE | {"verifier_key": KEY[:-4]},),
    "a key that is none": (ONE | {"verifier_key": ""},),
    "no name": ({name: value for name, value in ONE.items() if name != "name"},),
    "a name with a line end": (ONE | {"name": "one\n"},),
    "a member that is not known": (ONE | {"key": KEY},),
    "two of one name": (ONE, ONE | {"verifier_key": OTHER}),
    "two of one key": (ONE, ONE | {"name": "two"}),
}


@pytest.mark.parametrize("tables", REFUSED.values(), ids=REFUSED)
def test_no_witness_is(tables: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(ValidationError):
        settings(*tables)

"""``artifact-signer keys plan`` as an operator reads it: what is done, what is next, and what has to be true before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from signer.cli import key_plan
from signer.cli.main import run

OLD = {"version": 1, "state": "active", "origin": "imported", "created_at": "2026-01-01T00:00:00Z",
       "last_signed_at": "2026-02-01T00:00:00.5Z"}  # fmt: skip
NEW = {"version": 2, "state": "next", "origin": "generated", "created_at": "2026-03-01T00:00:00Z",
       "last_signed_at": None}  # fmt: skip
ROTATED = ({**OLD, "state": "previous"}, {**NEW, "state": "active"})

Told = Callable[..., str]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """What the command writes about a key of these versions."""

    def tell(*versions: Mapping[str, Any], purpose: str = "artifact", options: tuple[str, ...] = ()) -> str:
        key = {"name": "fleet", "purpose": purpose, "versions": list(versions)}
        client = SimpleNamespace(read=lambda path: {"/v1/keys/fleet": key}[path])
        monkeypatch.setattr(key_plan, "connected", lambda: nullcontext(client))
        assert run(["keys", "plan", "fleet", *options]) == 0
        return capsys.readouterr().out

    return tell


def test_the_next_step_comes_with_its_command(told: Told) -> None:
    assert told(OLD) == (
        "done  import: version 1 was in a file and is in the token, last signed 2026-02-01T00:00:00Z\n"
        "next  prepare: the next version is born in the token and published, and does not sign\n"
        "      run: artifact-signer keys prepare fleet\n"
        "later ship: devices get the key of the next version in an artifact that version 1 signs\n"
        "later rotate: the next version signs, and version 1 no more\n"
        "later retire: devices are told to trust version 1 no more\n"
    )


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ((OLD, NEW), "before: nothing was signed by version 1 since version 2 exists"),
        (({**OLD, "last_signed_at": "2026-03-02T00:00:00Z"}, NEW), "before: every device that is to be updated has"),
        (ROTATED, "before: nothing that version 1 signed is to be installed or believed any more"),
        (ROTATED, "run: artifact-signer keys retire fleet --version 1"),
        ((OLD, {**NEW, "origin": "imported"}), "before: version 2 waits as the next one and was outside too"),
        (({**OLD, "state": "previous", "origin": "public-key"},), "its private half signs elsewhere"),
        (({**OLD, "state": "retired"}, ROTATED[1]), "fleet trust no key that was outside a token"),
        (({**NEW, "state": "active"},), "no version of key fleet was ever outside a token"),
    ],
    ids=[
        "ship",
        "rotate",
        "retire",
        "retire, by which command",
        "another waits",
        "public key",
        "done",
        "never outside",
    ],
)
def test_what_is_known_is_said(told: Told, versions: tuple[Mapping[str, Any], ...], expected: str) -> None:
    assert expected in told(*versions)


def test_keys_of_tokens_are_not_shipped(told: Told) -> None:
    text = told(OLD, NEW, purpose="user-token")
    assert "ship" not in text
    assert "before: whoever verifies its tokens has fetched the keys since the new version exists" in text


def test_a_program_reads_the_same(told: Told) -> None:
    document = json.loads(told(OLD, NEW, options=("--json",)))
    steps = {step["step"]: step for step in document["steps"]}
    assert [step["progress"] for step in steps.values()] == ["done", "done", "next", "later", "later"]
    assert (steps["rotate"]["version"], steps["rotate"]["commands"]) == (2, ["artifact-signer keys rotate fleet"])

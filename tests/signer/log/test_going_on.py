"""A check that goes on from an earlier one, and what it says of a log that is another by now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from signer.errors import LogStateUnusable
from signer.log.check import CheckPlan, Verdict, check_log
from signer.log.faults import FaultKind as K
from signer.log.progress import Progress
from tests.support.written_logs import WrittenLog, access, leaves, pinned, signed, verifier_key

FIRST = leaves(900)
FIRST[600:602] = [pinned(600, 2, before=1), signed(601, 2)]
# The other version is signed with, and access changed, after the earlier check.
MORE = [*FIRST, signed(900, 2), pinned(901, 3, before=600), signed(902, 3), *(signed(at) for at in range(903, 1100))]


def check(log: WrittenLog, state: Path, **plan: Any) -> Verdict:
    return check_log(log, CheckPlan(keys=(verifier_key(),), state=state, processes=1, **plan))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """After a check of the first leaves."""
    path = tmp_path / "state"
    assert check(WrittenLog.of(FIRST), path).fault is None
    return path


def test_it_goes_on_after_the_full_bundles_that_were_verified(state: Path) -> None:
    verdict = check(WrittenLog.of(MORE), state)
    assert (verdict.began, verdict.fault, verdict.signatures) == (768, None, 1100 - 4)
    assert check(WrittenLog.of(MORE), state).began == 1024


def test_the_same_log_is_looked_at_from_there(state: Path) -> None:
    log = WrittenLog.of(FIRST)
    log.changed = {"tile/entries/000": b"", "tile/0/000": log.hashes(0, 0, 256)}
    assert check(log, state).fault is None


@pytest.mark.parametrize(
    ("change", "kind", "index"),
    [
        pytest.param({"id": FIRST[5]["id"]}, K.LEAF_ID, 1000, id="the id of a leaf verified before"),
        pytest.param(
            {name: FIRST[5][name] for name in ("manifest_sha256", "signature", "checked")}, K.SIGNED_TWICE, 1000,
            id="what a leaf verified before records",
        ),
        pytest.param({"key_version": 7}, K.KEY_UNKNOWN, 1000, id="an unknown version"),
        pytest.param({"time": FIRST[5]["time"]}, K.TIME, 1000, id="a time before those"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_what_was_verified_is_found(
    state: Path, change: dict[str, Any], kind: K, index: int
) -> None:
    fault = check(WrittenLog.of([*MORE[:1000], MORE[1000] | change, *MORE[1001:]]), state).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (kind, index)


def test_access_goes_on_from_there(state: Path) -> None:
    changed = {**MORE[901], "access_before": access(1)}
    fault = check(WrittenLog.of([*MORE[:901], changed, *MORE[902:]]), state).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.ACCESS, 901)


def test_a_log_that_does_not_begin_with_it_is_found(state: Path) -> None:
    other = [*MORE[:5], {**MORE[5], "actor": "another"}, *MORE[6:]]
    fault = check(WrittenLog.of(other), state).fault
    assert fault is not None
    assert fault.kind is K.STATE_OTHER


def test_a_log_that_is_smaller_is_found(state: Path) -> None:
    fault = check(WrittenLog.of(FIRST[:700]), state).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.STATE_OTHER, 700)


@pytest.mark.parametrize("size", [1, 256, 600, 768, 800])
def test_checkpoints_of_before_are_compared_too(state: Path, size: int) -> None:
    log = WrittenLog.of(MORE)
    assert check(log, state, since=[log.at(size)]).fault is None
    other = WrittenLog.of([{**MORE[0], "actor": "another"}, *MORE[1:]])
    fault = check(log, state, since=[other.at(size)]).fault
    assert fault is not None
    assert fault.kind is K.SINCE_OTHER


def test_a_fault_leaves_the_state_as_it_was(state: Path) -> None:
    before = state.read_bytes()
    assert check(WrittenLog.of([*MORE[:1000], {**MORE[1000], "v": 2}]), state).fault is not None
    assert state.read_bytes() == before


def _without_marks(state: Path) -> None:
    state.with_name("state.marks").unlink()


def _changed(state: Path, **members: Any) -> None:
    state.write_text(json.dumps(json.loads(state.read_text()) | members))


UNUSABLE = {
    "not JSON": lambda state: state.write_text("{"),
    "deep JSON": lambda state: state.write_text("[" * 100000),
    "a list": lambda state: state.write_text("[]"),
    "of another log": lambda state: _changed(state, origin="other"),
    "of another form": lambda state: _changed(state, form=2),
    "without its marks": _without_marks,
    "with another size": lambda state: _changed(state, size=512),
    "with a size between bundles": lambda state: _changed(state, size=769),
    "with another root": lambda state: _changed(state, root="AAAA"),
    "with another hash": lambda state: _changed(state, tiles=["A" * 128]),
    "with keys that are none": lambda state: _changed(state, pins=[["firmware"]]),
    "a folder": lambda state: (state.unlink(), state.mkdir()),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_a_state_that_cannot_be_used_is_refused(state: Path, sentence: str) -> None:
    UNUSABLE[sentence](state)
    with pytest.raises(LogStateUnusable):
        check(WrittenLog.of(FIRST), state)


def test_the_beginning_is_nothing() -> None:
    assert Progress().size == 0

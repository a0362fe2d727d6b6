"""Steps that are killed on their way between token and database, and what doctor says and makes of what they leave."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from signer.domain.events import EventType
from signer.domain.keys import VersionState
from tests.signer.doctor.interrupting import NEW_KEY
from tests.signer.doctor.patient import KEY, ROOT, TOKEN, Patient

CRASH_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A step that is killed ``before`` or ``after`` the token's part of it, and what follows.

    ``prepares`` and ``tampers`` come before and after the crash. ``says`` is doctor's line about ``key`` version
    ``version``, ``ends`` what ``--repair`` adds to it, ``state`` and ``event`` what is on record afterwards.
    """

    step: str
    when: str
    says: str
    ends: str
    state: VersionState
    event: EventType
    key: str = NEW_KEY
    version: int = 1
    prepares: Callable[[Patient], object] = lambda _patient: None
    tampers: Callable[[Patient], object] = lambda _patient: None
    in_token: bool = False  # anything under the version's CKA_ID after repair


def remove_half(key: str, kind: str) -> Callable[[Patient], None]:
    """The token loses one half of the pair."""
    return lambda patient: patient.tamper("remove", patient.version(key=key).cka_id.hex(), kind)


def be_strict(patient: Patient) -> None:
    """Pairs that can be taken out are adopted no longer."""
    patient.edit("[spool]\n", "[signing]\nstrict_adoption = true\n\n[spool]\n")


MADE = f"was interrupted while it was made: its pair is in token {TOKEN}, unused"
UNMADE = "was interrupted before its pair was made: no token holds it"
UNFIT = f"was interrupted while it was made: what is in token {TOKEN} is not its whole pair"
HALF_DESTROYED = "was interrupted while it was destroyed: a token may still hold its pair"

CRASHES = {
    "a created pair is completed and signs": Crash(
        step="create",
        when="after",
        says=MADE,
        ends="completed, it is active",
        state=VersionState.ACTIVE,
        event=EventType.KEY_CREATED,
        in_token=True,
    ),
    "a creation that never reached the token is closed": Crash(
        step="create",
        when="before",
        says=UNMADE,
        ends="its record is closed",
        state=VersionState.DESTROYED,
        event=EventType.CREATION_ABANDONED,
    ),
    "a created pair without its private half is given up": Crash(
        step="create",
        when="after",
        tampers=remove_half(NEW_KEY, "private"),
        says=UNFIT,
        ends="its record is closed",
        state=VersionState.DESTROYED,
        event=EventType.CREATION_ABANDONED,
        in_token=True,
    ),
    "a created pair without its public half is given up": Crash(
        step="create",
        when="after",
        tampers=remove_half(NEW_KEY, "public"),
        says=UNFIT,
        ends="its record is closed",
        state=VersionState.DESTROYED,
        event=EventType.CREATION_ABANDONED,
        in_token=True,
    ),
    "an imported pair is completed and signs": Crash(
        step="import",
        when="after",
        says=MADE,
        ends="completed, it is active",
        state=VersionState.ACTIVE,
        event=EventType.KEY_IMPORTED,
        in_token=True,
    ),
    "of an import that brought the public half alone nothing is left": Crash(
        step="import",
        when="after",
        tampers=remove_half(NEW_KEY, "private"),
        says=UNFIT,
        ends="its record is closed",
        state=VersionState.DESTROYED,
        event=EventType.CREATION_ABANDONED,
    ),
    "a prepared pair is completed and waits": Crash(
        step="prepare",
        when="after",
        key=KEY,
        version=2,
        says=MADE,
        ends="completed, it is the next version",
        state=VersionState.NEXT,
        event=EventType.VERSION_PREPARED,
        in_token=True,
    ),
    "a preparation that never reached the token is closed": Crash(
        step="prepare",
        when="before",
        key=KEY,
        version=2,
        says=UNMADE,
        ends="its record is closed",
        state=VersionState.DESTROYED,
        event=EventType.CREATION_ABANDONED,
    ),
    "an adoption is completed with its checks": Crash(
        step="adopt",
        when="before",
        prepares=lambda patient: patient.tamper("make", "ad01", "stranger"),
        says=MADE,
        ends="completed, it is active",
        state=VersionState.ACTIVE,
        event=EventType.KEY_ADOPTED,
        in_token=True,
    ),
    "an adoption that is not allowed is closed": Crash(
        step="adopt",
        when="before",
        prepares=lambda patient: patient.tamper("make-extractable", "ad02", "stranger"),
        tampers=be_strict,
        says=MADE,
        ends="its record is closed",
        state=VersionState.DESTROYED,
        event=EventType.CREATION_ABANDONED,
        in_token=True,
    ),
    "a destruction that never reached the token is finished": Crash(
        step="destroy",
        when="before",
        key=KEY,
        says=HALF_DESTROYED,
        ends="the destruction is finished",
        state=VersionState.DESTROYED,
        event=EventType.VERSION_DESTROYED,
    ),
    "a destruction that the token finished is recorded": Crash(
        step="destroy",
        when="after",
        key=KEY,
        says=HALF_DESTROYED,
        ends="the destruction is finished",
        state=VersionState.DESTROYED,
        event=EventType.VERSION_DESTROYED,
    ),
    "a destruction that the token did by half is finished": Crash(
        step="destroy",
        when="before",
        key=KEY,
        tampers=remove_half(KEY, "private"),
        says=HALF_DESTROYED,
        ends="the destruction is finished",
        state=VersionState.DESTROYED,
        event=EventType.VERSION_DESTROYED,
    ),
}


def interrupt(patient: Patient, crash: Crash) -> None:
    """Let a process of its own take the step and be killed."""
    crash.prepares(patient)
    done = subprocess.run(
        [sys.executable, "-m", "tests.signer.doctor.interrupting", patient.directory, crash.step, crash.when],
        cwd=ROOT, capture_output=True, timeout=CRASH_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    crash.tampers(patient)

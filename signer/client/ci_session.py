"""A session of a CI job, for the command line: exchanged once for a job's token, and kept as long as it holds.

1. A token is good for one session. So a lost answer is asked for again with the same nonce, within the time in which
   the service gives the same session once more.
2. Where a job has one token for many commands (``ARTIFACT_SIGNER_CI_TOKEN``), the session is kept in a file that only
   this user can read, under a name that is a digest of service and token. Commands that run at the same time wait for
   whichever exchanges it. Where it cannot be kept, nothing else depends on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from signer.answers import ServiceRefusal
from signer.client.ci_job import TOKEN_VARIABLE, job_token
from signer.client.settings import ClientSettings
from signer.client.sync import Client
from signer.client.values import Session

NONCE_BYTES = 32
# All tries together end well within the 60 seconds in which a nonce is good for the same session.
TRY_SECONDS = 10.0
LONGEST_RETRY_SECONDS = 45.0
STATE_VARIABLE = "XDG_STATE_HOME"
DIRECTORY = Path("artifact-signer") / "ci-sessions"
MAX_SHOWN = 32
# Files of sessions that are over long since are taken away.
FORGOTTEN_SECONDS = 3600.0
# A session that is about to end is not begun with.
LEAST_LEFT = timedelta(minutes=2)
REFUSED_HINT = (
    "the log of the service says why, under the request's id; a token is good for one session: "
    "a job that runs for longer than one needs another token"
)


def ci_session(
    settings: ClientSettings, environment: Mapping[str, str], *, wait: Callable[[float], None] = time.sleep
) -> str:
    """The session of this job; raises ``ClientError``."""
    token = job_token(environment, url=settings.url, wait=wait)
    path = _path(environment, settings.url, token) if environment.get(TOKEN_VARIABLE) else None
    if path is None:
        return _exchanged(settings, token, wait).token
    with _alone(path):
        kept = _kept(path)
        if kept is not None:
            return kept
        made = _exchanged(settings, token, wait)
        with suppress(OSError):
            _keep(path, made)
    return made.token


def _exchanged(settings: ClientSettings, token: str, wait: Callable[[float], None]) -> Session:
    with Client(settings.as_nobody(TRY_SECONDS, LONGEST_RETRY_SECONDS), wait=wait) as client:
        try:
            return client.exchange_ci_token(token, secrets.token_urlsafe(NONCE_BYTES))
        except ServiceRefusal as refusal:
            raise _worded(refusal) from None


def _worded(refusal: ServiceRefusal) -> ServiceRefusal:
    if refusal.code != "credentials-rejected":
        return refusal
    request = str(refusal.document.get("request_id"))[:MAX_SHOWN]
    return ServiceRefusal(
        sentence=f"the service does not take the token of this job (request {request})",
        hint=REFUSED_HINT,
        code=refusal.code,
        status=refusal.status,
        document=refusal.document,
    )


def _path(environment: Mapping[str, str], url: str, token: str) -> Path | None:
    base = environment.get(STATE_VARIABLE, "")
    try:
        home = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return home / DIRECTORY / hashlib.sha256(f"{url}\n{token}".encode()).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """With no other command of this user exchanging the same token, as far as files can tell."""
    with ExitStack() as held:
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = held.enter_context(path.with_suffix(".lock").open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kept(path: Path) -> str | None:
    try:
        document = json.loads(path.read_bytes())
        session, expires_at = document["session"], datetime.fromisoformat(document["expires_at"])
        return str(session) if expires_at - datetime.now(UTC) > LEAST_LEFT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, session: Session) -> None:
    for old in path.parent.iterdir():
        if time.time() - old.stat().st_mtime > FORGOTTEN_SECONDS:
            old.unlink(missing_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"session": session.token, "expires_at": session.expires_at}, file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

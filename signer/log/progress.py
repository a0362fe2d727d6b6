"""What was verified so far, so that the next time goes on from there.

A state says: these leaves were verified, they are this tree, and so it stood after them. It is written whole or not at
all. It is believed as the file of the person who runs the check; a log that does not begin with its tree is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signer.errors import LogStateUnusable
from signer.log.bundle import AccessStep
from signer.log.faults import Fault, FaultKind
from signer.log.levels import Levels
from signer.log.pinned import Pin, Version
from verifier.log.tiles import TILE_WIDTH

FORM = 1


@dataclass(slots=True)
class Progress:
    """How a log stands after so many full bundles.

    Attributes:
        newest: the time of the last leaf, as leaves have it; empty before the first.
        access: the digest of what gives power; None before a leaf tells one.
        pins: what is known of each version's public key.
    """

    levels: Levels = field(default_factory=Levels)
    newest: str = ""
    revision: int = 0
    access: str | None = None
    pins: dict[Version, Pin] = field(default_factory=dict)
    signatures: int = 0

    @property
    def size(self) -> int:
        """Leaves."""
        return self.levels.bundles * TILE_WIDTH

    def take_time(self, first: int, starts: str | None, ends: str) -> Fault | None:
        """A bundle goes from ``starts`` (None: it begins with a correction) to ``ends``."""
        newest, self.newest = self.newest, ends
        if starts is not None and starts < newest:
            return Fault(FaultKind.TIME, first, {"time": starts, "newest": newest})
        return None

    def take_access(self, step: AccessStep) -> Fault | None:
        """What gives power has changed, from what it was to something else."""
        problem = None
        if step.before is None and not step.begins:
            problem = "only the beginning of a log has nothing before it"
        elif None not in (step.before, self.access) and step.before != self.access:
            problem = "the digest before it is another"
        elif step.revision < self.revision:
            problem = "its revision is smaller"
        self.access, self.revision = step.after, step.revision
        return None if problem is None else Fault(FaultKind.ACCESS, step.index, {"problem": problem})

    def take_pin(self, index: int, pin: Pin) -> Fault | None:
        """A version's public key is told."""
        before = self.pins.get(pin.version)
        if before is not None and before.fingerprint != pin.fingerprint:
            key, version = pin.version
            return Fault(FaultKind.KEY_CHANGED, index, {"key": key, "version": version})
        if before is None or before.spki is None:
            self.pins[pin.version] = pin
        return None


def read_progress(path: Path, origin: str) -> Progress:
    """What was saved; nothing where there is no file. Raises ``LogStateUnusable``, also for that of another log."""
    try:
        members = json.loads(path.read_bytes())
        if members["form"] != FORM or members["origin"] != origin:
            raise LogStateUnusable(path=str(path), reason="it is of another log, or of another release")
        return _progress(members)
    except FileNotFoundError:
        return Progress()
    except OSError as error:
        raise LogStateUnusable(path=str(path), reason=(error.strerror or "it cannot be read").lower()) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LogStateUnusable(path=str(path), reason="it is none, or damaged") from error


def saved_progress(progress: Progress, origin: str) -> bytes:
    """What the file holds that puts this in the place of the last one."""
    frontier = progress.levels.frontier()
    members = {
        "form": FORM,
        "origin": origin,
        "size": progress.size,
        "root": base64.b64encode(frontier.root).decode("ascii"),
        "tiles": progress.levels.saved(),
        "newest": progress.newest,
        "revision": progress.revision,
        "access": progress.access,
        "signatures": progress.signatures,
        "pins": [
            [*pin.version, pin.fingerprint, pin.spki and base64.b64encode(pin.spki).decode("ascii")]
            for pin in progress.pins.values()
        ],
    }
    return json.dumps(members).encode()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, durably; raises ``OSError``."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105  (the same call, without making a path of a name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _progress(members: dict[str, Any]) -> Progress:
    size = members["size"]
    levels = Levels(size // TILE_WIDTH, [base64.b64decode(each, validate=True) for each in members["tiles"]])
    if size % TILE_WIDTH or levels.frontier().root != base64.b64decode(members["root"], validate=True):
        raise ValueError
    pins = [
        Pin((str(key), int(version)), str(fingerprint), _bytes(spki))
        for key, version, fingerprint, spki in members["pins"]
    ]
    return Progress(
        levels=levels,
        newest=str(members["newest"]),
        revision=int(members["revision"]),
        access=members["access"],
        pins={pin.version: pin for pin in pins},
        signatures=int(members["signatures"]),
    )


def _bytes(encoded: str | None) -> bytes | None:
    try:
        return None if encoded is None else base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError from None

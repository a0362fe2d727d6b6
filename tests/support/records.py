"""Key records as tests want them, straight into the store."""

from __future__ import annotations

import hashlib
import itertools
import os

from hsm.algorithms import Algorithm
from signer.domain.events import Event, EventType
from signer.domain.keys import UNBOUNDED, Key, KeyVersion, Origin, Purpose, Validity, VersionState
from signer.services.ports import KeyStore, NewKey, NewVersion, VersionChange

_serial = itertools.count()


def new_key(name: str = "firmware", *, purpose: Purpose = Purpose.ARTIFACT) -> NewKey:
    """An artifact key in one token."""
    return NewKey(
        name=name, purpose=purpose, algorithm=Algorithm.ECDSA_P256, tokens=("one",), created_by="api-token:tester"
    )


def new_version(*, validity: Validity = UNBOUNDED) -> NewVersion:
    """A version with a CKA_ID that no other has."""
    return NewVersion(origin=Origin.GENERATED, cka_id=os.urandom(16), tokens=("one",), validity=validity)


def event(
    kind: EventType = EventType.CREATION_STARTED, *, key: str | None = "firmware", version: int | None = 1
) -> Event:
    """An event that says little."""
    return Event(
        type=kind,
        actor="api-token:tester",
        key=key,
        version=version,
        before={"state": "before", "nothing": None},
        after={"state": "after", "number": 7, "list": ["a", "b"]},
    )


def swap(version: KeyVersion, state: VersionState, **fields: object) -> VersionChange:
    """Move a version from the state it was read in."""
    return VersionChange(version_id=version.id, expected=version.state, state=state, fields=fields)


def pin_fields() -> dict[str, object]:
    """A public key that no other version has; it is never used as one."""
    spki = b"spki %d %s" % (next(_serial), os.urandom(8))
    return {"spki": spki, "fingerprint": hashlib.sha256(spki).hexdigest()}


def add_pinned(
    store: KeyStore,
    name: str = "firmware",
    *,
    state: VersionState = VersionState.ACTIVE,
    validity: Validity = UNBOUNDED,
    purpose: Purpose = Purpose.ARTIFACT,
) -> Key:
    """A key whose first version has a pair and is in ``state``."""
    key = store.add_key(new_key(name, purpose=purpose), new_version(validity=validity), event(key=name))
    return store.change(key, [swap(key.versions[0], state, **pin_fields())], [event(EventType.KEY_CREATED, key=name)])


def add_version(store: KeyStore, key: Key, *, state: VersionState = VersionState.NEXT) -> Key:
    """One more version, with a pair, in ``state``."""
    key = store.add_version(key, new_version(), event(key=key.name))
    return store.change(key, [swap(key.versions[-1], state, **pin_fields())], [])

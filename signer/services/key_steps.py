"""Steps in the life of a key version as what storage and the record take."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.domain.events import Event, EventType
from signer.domain.identity import Identity
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.lifecycle import Step, follow
from signer.errors import TokenNotConfigured
from signer.services.ports import NewVersion, VersionChange


def configured(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """These tokens, each once, or all where none is named; raises ``TokenNotConfigured``."""
    for name in names:
        if name not in known:
            raise TokenNotConfigured(token=name, configured=known)
    return tuple(dict.fromkeys(names)) or known


def occupied(key: Key, version: KeyVersion, target: VersionState) -> bool:
    """Whether another version stands where at most one may."""
    rivals: tuple[KeyVersion | None, ...]
    if target is VersionState.ACTIVE:
        rivals = (key.active,)
    elif target is VersionState.NEXT:
        rivals = (key.in_state(VersionState.NEXT), key.in_state(VersionState.PENDING))
    else:
        return False
    return any(rival is not None and rival.id != version.id for rival in rivals)


def version_change(
    key: Key, version: KeyVersion, step: Step, *, fields: Mapping[str, object] | None = None
) -> VersionChange:
    """The step, if the version may take it; raises ``StepNotAllowed``."""
    state = follow(version.state, step, key=key.name, version=version.number)
    return VersionChange(version_id=version.id, expected=version.state, state=state, fields=fields or {})


def started(
    identity: Identity, name: str, number: int | None, version: NewVersion, *, blind_sign: bool = False
) -> Event:
    """That a version is about to be made. ``blind_sign``: of a new key, that it signs digests."""
    return Event(
        type=EventType.CREATION_STARTED,
        actor=identity.name,
        key=name,
        version=number,
        before={},
        after={
            "origin": version.origin.value,
            "cka_id": version.cka_id.hex(),
            "tokens": list(version.tokens),
            **({} if version.home in (None, version.tokens) else {"home": list(version.home)}),
            **({"blind_sign": True} if blind_sign else {}),
        },
    )


def stepped(
    kind: EventType,
    actor: str,
    name: str,
    version: KeyVersion,
    state: VersionState,
    facts: Mapping[str, object] = MappingProxyType({}),
) -> Event:
    """That a version went from one state to another; ``facts``: what else is so now."""
    return Event(
        type=kind,
        actor=actor,
        key=name,
        version=version.number,
        before={"state": version.state.value},
        after={"state": state.value, **facts},
    )

"""Finds the one token that a URI means, and describes tokens without login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pkcs11 import TokenFlag
from pkcs11 import exceptions as p11

from hsm.errors import TokenAmbiguous, TokenNotFound
from hsm.protocol.records import Setup
from hsm.types import TokenDescription
from hsm.worker.module import Module, counter

MAX_MECHANISMS = 400
MAX_SLOTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags of CK_TOKEN_INFO that decide about login."""

    login_required: bool
    user_pin_locked: bool
    user_pin_final_try: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A token as found at opening. ``mechanisms``: the numbers that it offers."""

    token: Any
    slot: Any
    flags: Flags
    mechanisms: frozenset[int]


def find_token(module: Module, setup: Setup) -> Found:
    """The one initialised token that the URI means; raises ``TokenNotFound`` or ``TokenAmbiguous``."""
    matching = [
        (slot, token)
        for slot, token in _tokens(module)
        if token.flags & TokenFlag.TOKEN_INITIALIZED and _matches(setup, slot, token)
    ]
    if not matching:
        raise TokenNotFound(reason="no slot holds it")
    if len(matching) > 1:
        raise TokenAmbiguous(count=len(matching))
    ((slot, token),) = matching
    return Found(
        token=token,
        slot=slot,
        flags=Flags(
            login_required=bool(token.flags & TokenFlag.LOGIN_REQUIRED),
            user_pin_locked=bool(token.flags & TokenFlag.USER_PIN_LOCKED),
            user_pin_final_try=bool(token.flags & TokenFlag.USER_PIN_FINAL_TRY),
        ),
        mechanisms=frozenset(int(mechanism) for mechanism in slot.get_mechanisms()),
    )


def descriptions(module: Module, setup: Setup) -> list[TokenDescription]:
    """Every present token that the URI means, initialised or not; a URI that says nothing means all."""
    return [_description(module, slot, token) for slot, token in _tokens(module) if _matches(setup, slot, token)]


def _tokens(module: Module) -> list[tuple[Any, Any]]:
    found = []
    for slot in module.library.get_slots(token_present=True)[:MAX_SLOTS]:
        try:
            found.append((slot, slot.get_token()))
        except (p11.TokenNotPresent, p11.TokenNotRecognised, p11.SlotIDInvalid):
            continue
    return found


def _matches(setup: Setup, slot: Any, token: Any) -> bool:
    wanted = (
        (setup.uri_token, token.label),
        (setup.uri_serial, _serial(token)),
        (setup.uri_manufacturer, token.manufacturer_id),
        (setup.uri_model, token.model),
        (setup.uri_slot_id, slot.slot_id),
    )
    return all(expected is None or expected == actual for expected, actual in wanted)


def _serial(token: Any) -> str:
    return str(token.serial.rstrip(b"\0 ").decode("utf-8", "replace"))


def _description(module: Module, slot: Any, token: Any) -> TokenDescription:
    library, flags = module.library, token.flags
    info = module.token_info(slot.slot_id)
    return TokenDescription(
        slot_id=slot.slot_id,
        slot_description=slot.slot_description,
        label=token.label,
        serial=_serial(token),
        model=token.model,
        manufacturer=token.manufacturer_id,
        library_description=library.library_description,
        library_version=library.library_version,
        cryptoki_version=library.cryptoki_version,
        initialized=bool(flags & TokenFlag.TOKEN_INITIALIZED),
        login_required=bool(flags & TokenFlag.LOGIN_REQUIRED),
        user_pin_initialized=bool(flags & TokenFlag.USER_PIN_INITIALIZED),
        user_pin_count_low=bool(flags & TokenFlag.USER_PIN_COUNT_LOW),
        user_pin_final_try=bool(flags & TokenFlag.USER_PIN_FINAL_TRY),
        user_pin_locked=bool(flags & TokenFlag.USER_PIN_LOCKED),
        write_protected=bool(flags & TokenFlag.WRITE_PROTECTED),
        free_memory=counter(info.free_public_memory),
        total_memory=counter(info.total_public_memory),
        sessions=counter(info.sessions),
        max_sessions=counter(info.max_sessions),
        mechanisms=tuple(sorted(map(_mechanism_name, slot.get_mechanisms())))[:MAX_MECHANISMS],
    )


def _mechanism_name(mechanism: Any) -> str:
    return getattr(mechanism, "name", None) or f"{int(mechanism):#x}"

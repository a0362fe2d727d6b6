"""Opens a token: finds it, logs in, and looks once. The caller holds the lock that processes share.

1. A PIN that was refused before is not tried again before its source changes, and the last attempt is left to a person.
2. The login is critical for the exit guard: some tokens rewrite their own file at every login, and not atomically, so a
   process that ended in that moment would take all keys with it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, ObjectClass
from pkcs11 import exceptions as p11

from hsm.errors import PinAtRisk, PinLocked, PinRejected
from hsm.protocol.records import Setup
from hsm.worker import pin_reader, read_only, return_values
from hsm.worker.exit_guard import ExitGuard
from hsm.worker.module import Module
from hsm.worker.slots import Found, find_token
from hsm.worker.token_lock import TokenLock

LOOKS = 5  # for a key that is still there when it is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenToken:
    """A token that was found, and the session that holds its login: it is never closed, or all would be logged out."""

    found: Found
    login: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What opening takes."""

    setup: Setup
    module: Module
    lock: TokenLock
    guard: ExitGuard

    def open(self) -> OpenToken:
        """The one token that the set-up means, logged in. Raises ``TokenError``."""
        try:
            found = find_token(self.module, self.setup)
            login = self._logged_in(found)
            _look_once(login)
        except p11.PKCS11Error as fault:
            raise return_values.refusal(fault) from None
        return OpenToken(found=found, login=login)

    def _logged_in(self, found: Found) -> Any:
        flags = found.flags
        if not flags.login_required:
            return read_only.opened(found.token)
        pin, source = pin_reader.read(self.setup)
        if flags.user_pin_locked:
            raise PinLocked(reason="the token says so")
        name = f"{found.token.serial!r} {found.token.label}"
        if self.lock.refused(name) == source:
            raise PinRejected(reason="refused before, and its source has not changed")
        if flags.user_pin_final_try:
            raise PinAtRisk(reason="one attempt is left")
        try:
            with self.guard.critical():
                session = read_only.opened(found.token, user_pin=pin)
        except (*return_values.PIN_REFUSED, p11.PinLocked):
            self.lock.refuse(name, source)
            raise
        self.lock.accept(name)
        return session


def _look_once(session: Any) -> None:
    """The first look-up makes some modules read their store, which is part of opening."""
    for left in reversed(range(LOOKS)):
        try:
            with closing(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})) as objects:
                next(objects, None)
        except p11.ObjectHandleInvalid:
            # Whoever removes a key does not wait for those who open the token: it may be gone between search and look.
            if not left:
                raise
        else:
            return

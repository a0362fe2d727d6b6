"""What is done when the token fails: reload it and try once more, or say that only a new process helps.

1. A return value that may mean a lost token reloads everything, once, and the action is tried once more.
2. A failure that a reload did not mend is the request's own as long as anything else works; that is proved with the key
   that signed last, so that one bad key does not take the token from all others.
3. When nothing works, or the reload itself fails, the process leaves: ``TokenLost``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pkcs11 import exceptions as p11

from hsm.errors import TokenError, TokenUnavailable
from hsm.worker import return_values
from hsm.worker.reload import Budget, Reload
from hsm.worker.sessions import Sessions, Working

Result = TypeVar("Result")


class TokenLost(Exception):
    """Reloading was of no use; only a new process helps. ``error``: why; ``answer``: what requests are told."""

    def __init__(self, error: TokenError) -> None:
        super().__init__(error.code)
        self.error = error
        self.answer = TokenUnavailable(reason=error.code, retry_after=return_values.UNAVAILABLE_RETRY)


class Recovery:
    """Runs actions in borrowed sessions. ``proof``: an action that works where the token does, once there is one."""

    def __init__(self, sessions: Sessions, reload: Reload) -> None:
        self.sessions = sessions
        self._reload = reload
        self.proof: Callable[[Working], object] | None = None  # replaced as a whole: no lock needed

    def generation(self) -> int:
        """How often the token was reloaded."""
        return self._reload.generation()

    def run(self, action: Callable[[Working], Result]) -> Result:
        """``action`` in a borrowed session, once more after a reload if the token was lost.

        Raises ``TokenError`` or ``TokenLost``.
        """
        generation = self._reload.generation()
        try:
            return self._attempt(action)
        except p11.PKCS11Error as fault:
            error = return_values.refusal(fault)
            if not return_values.needs_reload(fault):
                raise error from None
        self._reloaded(generation, error)
        return self._once_more(action)

    def after_absence(self, generation: int, action: Callable[[Working], Result]) -> Result | None:
        """``action`` after a reload that was tried because a key was missing; None where none may be tried now."""
        budget = self._reload.absences
        if not self._recovered(generation, budget):
            return None
        result = self.run(action)
        budget.note(helped=bool(result))
        return result

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A read-write session for one attempt; a token that is lost meanwhile is reloaded for the next one.

        Not tried again: nobody knows how much of it was done.
        """
        generation = self._reload.generation()
        try:
            with self.sessions.writing() as session:
                yield session
        except p11.PKCS11Error as fault:
            error = return_values.storing_refusal(fault)
            if return_values.needs_reload(fault):
                self._reloaded(generation, error)
            raise error from None

    def _reloaded(self, generation: int, error: TokenError) -> None:
        """Returns where another attempt is worthwhile; else raises ``error``, or that the token is lost."""
        if not self._recovered(generation, self._reload.losses):
            raise self._verdict(error)

    def _recovered(self, generation: int, budget: Budget) -> bool:
        try:
            return self._reload.recover(generation, budget)
        except TokenError as failed:
            raise TokenLost(failed) from None

    def _once_more(self, action: Callable[[Working], Result]) -> Result:
        helped = False
        try:
            result = self._attempt(action)
            helped = True
        except p11.PKCS11Error as fault:
            error = return_values.refusal(fault)
            raise (self._verdict(error) if return_values.needs_reload(fault) else error) from None
        finally:
            self._reload.losses.note(helped=helped)
        return result

    def _attempt(self, action: Callable[[Working], Result]) -> Result:
        with self.sessions.borrow() as working:
            result = action(working)
        self.sessions.proven = True
        return result

    def _verdict(self, error: TokenError) -> Exception:
        """Rule 2, or rule 3."""
        return error if self.sessions.proven or self._proves() else TokenLost(error)

    def _proves(self) -> bool:
        if self.proof is None:
            return False
        try:
            self._attempt(self.proof)
        except (p11.PKCS11Error, TokenError):
            return False
        return True

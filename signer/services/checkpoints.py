"""Has checkpoints, and lists of recalls, signed by a key of the log, and believes none that it has not verified.

A checkpoint has to be what the token layer verified with the pinned keys, byte by byte; a list is verified once more.
Not safe for threads: one note is under way at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from hsm.errors import TokenError
from signer.domain.keys import Key
from signer.domain.log_keys import LogKey, Signatures, checkpoint_keys, opened_as_signed, signed_note
from signer.domain.messages import Checkpoint, RecalledManifests
from signer.domain.verified_log import VerifiedLog
from signer.errors import LogKeyMissing
from signer.services.ports import TokenAccess
from signer.services.signing import MessageSigner, signing_key
from verifier.log import Checkpoint as CheckpointText
from verifier.log import RecalledList, open_recalled

_Message = Checkpoint | RecalledManifests


class CheckpointSigner:
    """Signs the heads of one log, named ``origin``. ``keys`` gives the keys as they are on record."""

    def __init__(self, *, origin: str, keys: Callable[[], Sequence[Key]], tokens: TokenAccess, timeout: float) -> None:
        self._origin = origin
        self._keys = keys
        self._tokens = tokens
        self._timeout = timeout
        self._groups: tuple[tuple[LogKey, ...], ...] = ()

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._origin

    def forget(self) -> None:
        """Look at the keys again before the next signature: they may have changed."""
        self._groups = ()

    def sign(self, log: VerifiedLog) -> bytes:
        """A signed note of the head of ``log``, by the first key whose token answers.

        Raises ``LogKeyMissing``, or the ``hsm.errors.TokenError`` of the last token that was asked.
        """
        head = CheckpointText(origin=self._origin, size=log.size, root=log.frontier.root)
        return self._note(Checkpoint(head), opened_as_signed)

    def sign_recalled(self, recalled: RecalledList) -> bytes:
        """A signed note of the list; raises as ``sign`` does."""
        return self._note(RecalledManifests(recalled), _opened_list)

    def _note(self, message: _Message, opened: Callable[[bytes, str, Signatures], object]) -> bytes:
        text = message.content.decode("utf-8")
        groups = self._groups or checkpoint_keys(self._keys(), self._origin)
        if not groups:
            raise LogKeyMissing(origin=self._origin)
        # Who comes while a checkpoint is under way waits for its end and for the next one: a token that hangs at both
        # leaves enough of a request's time to say so.
        seconds = self._timeout / (2 * sum(map(len, groups)) + 1)
        failure: TokenError | None = None
        for number, group in enumerate(groups):
            try:
                signatures = self._signatures(message, group, seconds)
            except TokenError as error:
                failure = failure or error
                continue
            # Who answered is asked first from now on: a token that hangs is not waited for at each checkpoint.
            self._groups = (*groups[number:], *groups[:number])
            note = signed_note(text, signatures)
            # Read as any reader will: what would not open is not given out.
            opened(note, text, signatures)
            return note
        self._groups = ()
        raise failure or LogKeyMissing(origin=self._origin)

    def _signatures(self, message: _Message, group: Sequence[LogKey], timeout: float) -> Signatures:
        signer = MessageSigner(tokens=self._tokens, timeout=timeout)
        active, *following = group
        signatures = [(active, signer.sign_bytes(signing_key(active.key, active.version), message))]
        for each in following:
            # The next version may be in another token, which stops nothing that worked without it.
            with suppress(TokenError):
                signatures.append((each, signer.sign_bytes(signing_key(each.key, each.version), message)))
        return signatures


def _opened_list(note: bytes, _: str, signatures: Signatures) -> object:
    return open_recalled(note, [key.verifier for key, _ in signatures])

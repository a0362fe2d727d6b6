"""Users of another Mender server, taken over with their ids and, where the list has it, the hash of their password.

1. All or nothing: the whole list is read and compared with what is on record, then written in one transaction.
2. Who comes without a hash gets a password that logs in once. It is in its file, durably, before it is on record; what
   is in that file already is used, so a command that was cut off goes on as it began.
3. A hash of bcrypt is kept as it came until its password is shown: then it is made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from signer.domain.kept_passwords import one_time
from signer.domain.user_lists import ListedUser, UserOutcome, UserProblem
from signer.domain.users import Password
from signer.errors.imports import ListNotTaken
from signer.services.user_ports import NewUser, Passwords

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEntry:
    """What stands at one place of a list: ``user``, or the ``problem`` that it is not understood."""

    number: int
    user: ListedUser | None = None
    problem: UserProblem | None = None
    user_id: str | None = None


class UserImportRecords(Protocol):
    """Users on record. Raises what databases raise, too."""

    def placed(self, listed: Sequence[ListedUser]) -> list[UserOutcome | UserProblem]:
        """What would become of each; nothing is written."""

    def take(self, new: Sequence[NewUser], *, actor: str, list_sha256: str) -> int:
        """Record those that are new, all together with a leaf for each; how many they were."""


class OneTimePasswords(Protocol):
    """A file of passwords by e-mail address."""

    def of(self, emails: Sequence[str]) -> Mapping[str, Password]:
        """A password for each, all durably in the file; those that it holds already stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserReview:
    """What would become of a list. ``new``: who would be imported."""

    entries: int
    by_reason: Mapping[UserOutcome | UserProblem, int]
    new: tuple[ListedUser, ...]

    @property
    def without_hash(self) -> tuple[str, ...]:
        """The addresses of those who need a password."""
        return tuple(each.email for each in self.new if each.bcrypt is None)


class UserImport:
    """For one thread. ``roles``: of everybody who is imported."""

    def __init__(self, *, records: UserImportRecords, passwords: Passwords, roles: tuple[str, ...]) -> None:
        self._records = records
        self._passwords = passwords
        self._roles = roles

    def review(
        self,
        entries: Iterable[UserEntry],
        remark: Callable[[int, UserProblem, str | None], None],
        *,
        skip_faulty: bool,
    ) -> UserReview:
        """What would become of the list; nothing is written. Raises ``ListNotTaken`` unless ``skip_faulty``."""
        each_once = _each_once(entries)
        listed = [entry.user for entry in each_once if entry.user is not None]
        placed = iter(self._records.placed(listed))
        reasons = [(entry, entry.problem or next(placed)) for entry in each_once]
        refused = [(entry, reason) for entry, reason in reasons if isinstance(reason, UserProblem)]
        for entry, reason in refused:
            remark(entry.number, reason, entry.user_id if entry.user is None else entry.user.id)
        if refused and not skip_faulty:
            raise ListNotTaken(entries=len(reasons), refused=len(refused), first=refused[0][0].number)
        new = tuple(e.user for e, reason in reasons if e.user is not None and reason is UserOutcome.IMPORTED)
        return UserReview(entries=len(reasons), by_reason=Counter(reason for _, reason in reasons), new=new)

    def take(
        self, review: UserReview, one_time_passwords: OneTimePasswords | None, *, actor: str, list_sha256: str
    ) -> int:
        """Import who was reviewed as new; how many they were. ``one_time_passwords``: None where all have hashes."""
        given: Mapping[str, Password] = {}
        if one_time_passwords is not None and review.without_hash:
            given = one_time_passwords.of(review.without_hash)
        new = [self._new(each, given) for each in review.new]
        return self._records.take(new, actor=actor, list_sha256=list_sha256) if new else 0

    def _new(self, listed: ListedUser, given: Mapping[str, Password]) -> NewUser:
        kept = listed.bcrypt
        if kept is None:
            with self._passwords.admitted():
                kept = one_time(self._passwords.hash(given[listed.email]).result(WAIT_SECONDS))
        return NewUser(id=listed.id, email=listed.email, person=None, roles=self._roles, password_hash=kept)


def _each_once(entries: Iterable[UserEntry]) -> list[UserEntry]:
    """The entries, those with an id or an address that stood there before as refused."""
    seen: set[str] = set()
    found = []
    for entry in entries:
        names = set() if entry.user is None else {entry.user.id, entry.user.email}
        if seen.isdisjoint(names):
            seen |= names
            found.append(entry)
        else:
            user_id = None if entry.user is None else entry.user.id
            found.append(UserEntry(number=entry.number, problem=UserProblem.TWICE, user_id=user_id))
    return found

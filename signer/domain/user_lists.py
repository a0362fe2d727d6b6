"""Users in the list of another Mender server: ``GET /api/management/v1/useradm/users``, or its database's export.

1. An entry has ``id`` (``_id`` in an export) and ``email``. The hash of the password is in ``password_hash`` or
   ``password``, if anywhere: bcrypt, as that server keeps it.
2. What is not understood is said by its kind, and nothing of it is repeated.
3. What is on record here is never changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from signer.domain.foreign_ids import is_foreign_id
from signer.domain.strict_json import NotStrictJson, strict_object
from signer.domain.users import checked_email
from signer.errors.users import UserFactsInvalid

# The server's own is 10. Less is too little for what is kept here, more is a look of many seconds.
MIN_BCRYPT_COST, MAX_BCRYPT_COST = 10, 14
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")


class UserProblem(StrEnum):
    """Why an entry is not taken, and with it the list."""

    NOT_AN_OBJECT = "not-an-object"
    ID = "id-invalid"
    EMAIL = "email-invalid"
    HASH = "hash-unknown"
    TWICE = "twice-in-the-list"
    ID_TAKEN = "id-of-another-user"  # here, so it is the list of another installation
    EMAIL_TAKEN = "email-of-another-user"  # here, under another id
    OF_A_PERSON = "email-of-a-person"  # who has it by name: others may have to approve that it logs in


class UserOutcome(StrEnum):
    """What becomes of an entry that is understood."""

    IMPORTED = "imported"
    KNOWN = "known"


class UserEntryRefused(Exception):
    """The entry is not understood. ``user``: its id, where that much is."""

    def __init__(self, problem: UserProblem, user: str | None = None) -> None:
        super().__init__(problem.value)
        self.problem, self.user = problem, user


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUser:
    """A user of a list. ``bcrypt``: the password's hash; None: the list has none."""

    id: str
    email: str
    bcrypt: str | None = field(repr=False)


def listed_user(raw: bytes) -> ListedUser:
    """From an object of the list; raises ``UserEntryRefused``."""
    try:
        entry = strict_object(raw)
    except NotStrictJson:
        raise UserEntryRefused(UserProblem.NOT_AN_OBJECT) from None
    user_id = entry.get("id", entry.get("_id"))
    if not is_foreign_id(user_id):
        raise UserEntryRefused(UserProblem.ID)
    email = entry.get("email")
    try:
        checked = checked_email(email if isinstance(email, str) else "")
    except UserFactsInvalid:
        raise UserEntryRefused(UserProblem.EMAIL, user_id) from None
    kept = entry.get("password_hash", entry.get("password"))
    if kept is not None and not (isinstance(kept, str) and bcrypt_cost(kept) is not None):
        raise UserEntryRefused(UserProblem.HASH, user_id)
    return ListedUser(id=user_id, email=checked, bcrypt=kept)


def bcrypt_cost(kept: str) -> int | None:
    """The cost of a hash of bcrypt that is taken; None for anything else."""
    found = _BCRYPT.fullmatch(kept)
    if found is None or not MIN_BCRYPT_COST <= int(found[1]) <= MAX_BCRYPT_COST:
        return None
    return int(found[1])

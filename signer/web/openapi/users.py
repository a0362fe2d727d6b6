"""Users by their addresses, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.user_documents import UserDocument
from signer.web.native_users import NewUserBody, PasswordBody, RolesBody
from signer.web.openapi.operation import Operation, listed, told
from signer.web.openapi.refusals import APPROVALS
from signer.web.parsing import ReasonBody


class ChangedUser(UserDocument):
    """A user, and whether anything changed."""

    changed: bool


class DeletedUser(TypedDict):
    """Who is forgotten."""

    email: str
    changed: bool


CREATED = (
    *APPROVALS, "user-facts-invalid", "password-refused", "user-email-taken", "person-not-found", "person-disabled",
    "identity-assigned", "logins-busy",
)  # fmt: skip
_FOUND = ("user-not-found", "user-changed")
_REASON = (*_FOUND, "reason-invalid")

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "list_users": Operation(
            summary="All users by address, disabled ones too.", answers=told(listed("users", UserDocument))
        ),
        "create_user": Operation(
            summary="Somebody new.", body=NewUserBody, answers=told(UserDocument, status=201), refusals=CREATED
        ),
        "show_user": Operation(summary="One user.", answers=told(UserDocument), refusals=_FOUND),
        "disable_user": Operation(
            summary="End every token of a user, and let them not log in.",
            body=ReasonBody,
            answers=told(ChangedUser),
            refusals=_REASON,
        ),
        "enable_user": Operation(
            summary="Let a user log in again.",
            body=ReasonBody,
            answers=told(ChangedUser),
            refusals=(*APPROVALS, *_REASON),
        ),
        "set_user_roles": Operation(
            summary="Other roles, and no more than these.",
            body=RolesBody,
            answers=told(ChangedUser),
            refusals=(*APPROVALS, *_FOUND, "user-facts-invalid"),
        ),
        "set_user_password": Operation(
            summary="Another password. Their sessions end.",
            body=PasswordBody,
            answers=told(UserDocument),
            refusals=(*APPROVALS, *_FOUND, "password-refused", "logins-busy"),
        ),
        "reset_user_second_factor": Operation(
            summary="Ask a user for no second factor any more.",
            body=ReasonBody,
            answers=told(ChangedUser),
            refusals=(*APPROVALS, *_REASON),
        ),
        "delete_user": Operation(
            summary="Forget a user, and end every token.", answers=told(DeletedUser), refusals=_FOUND
        ),
    }
)

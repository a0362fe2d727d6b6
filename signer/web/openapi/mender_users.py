"""Users as Mender's clients ask, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.user_documents import MenderToken, MenderUser
from signer.web.front.users import LoginBody, PersonalTokenBody
from signer.web.mender_users import CodeBody, CurrentPasswordBody, MenderUserBody, NewMenderUserBody, SwitchOffBody
from signer.web.openapi.operation import JWT_MEDIA_TYPE, Operation, nothing, text, told
from signer.web.openapi.refusals import APPROVALS, ISSUING, PROVED, of_tokens
from signer.web.openapi.security import NOTHING, PASSWORD, USER_TOKEN
from signer.web.openapi.users import CREATED


class Seed(TypedDict):
    """The seed of a second factor in base32, and what a picture for apps holds."""

    secret: str
    uri: str


_OWN_PASSWORD = ("current-password-wrong", "password-rejected", "too-many-attempts", "logins-busy", "user-not-found")
_SEALED = ("seal-key-unusable", "seed-unreadable")
_TOKEN = text(JWT_MEDIA_TYPE, "The token and nothing else.", Cache_Control="`no-store`.")

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "login": Operation(
            summary="Log in with e-mail address and password.",
            body=LoginBody,
            answers=_TOKEN,
            refusals=(
                *ISSUING, *of_tokens(), *_SEALED, "login-refused", "too-many-attempts", "logins-busy",
                "version-expired", "version-not-yet-valid", "no-active-version", "signature-limit-reached",
                "version-quarantined", "message-not-allowed",
            ),
            security=(PASSWORD,),
        ),
        "logout": Operation(
            summary="End the token that is shown.",
            answers=nothing(202, "Also without a token, and for one that has ended."),
            refusals=PROVED,
            security=(USER_TOKEN, NOTHING),
        ),
        "list_mender_users": Operation(summary="All users by address.", answers=told(list[MenderUser])),
        "create_mender_user": Operation(
            summary="Somebody new.",
            body=NewMenderUserBody,
            answers=nothing(201, Location="`users/ID`."),
            refusals=CREATED,
        ),
        "show_mender_user": Operation(
            summary="One user by id.", answers=told(MenderUser), refusals=("user-not-found",)
        ),
        "change_mender_user": Operation(
            summary="One's own password, or the roles or password of somebody.",
            body=MenderUserBody,
            answers=nothing(204),
            refusals=(
                *APPROVALS, *_OWN_PASSWORD, "password-refused", "user-email-fixed", "user-changed",
                "user-facts-invalid",
            ),
        ),
        "delete_mender_user": Operation(
            summary="Forget somebody, by id.", answers=nothing(204), refusals=("user-not-found", "user-changed")
        ),
        "list_personal_tokens": Operation(
            summary="One's own personal access tokens.", answers=told(list[MenderToken]), refusals=("user-not-found",)
        ),
        "create_personal_token": Operation(
            summary="A personal access token, for a program.",
            body=PersonalTokenBody,
            answers=_TOKEN,
            refusals=(
                *ISSUING, *of_tokens(), "personal-token-name-taken", "personal-tokens-exhausted", "user-facts-invalid",
                "version-expired", "version-not-yet-valid", "no-active-version", "signature-limit-reached",
                "version-quarantined", "message-not-allowed", "user-not-found",
            ),
        ),
        "delete_personal_token": Operation(
            summary="End one of them, by its id.", answers=nothing(204), refusals=("personal-token-not-found",)
        ),
        "enrol_second_factor": Operation(
            summary="A seed for one's own second factor. It counts once it is confirmed.",
            body=CurrentPasswordBody,
            answers=told(Seed, Cache_Control="`no-store`."),
            refusals=(*_OWN_PASSWORD, *_SEALED, "second-factor-enrolled"),
        ),
        "confirm_second_factor": Operation(
            summary="From now on logging in takes a code.",
            body=CodeBody,
            answers=told(MenderUser),
            refusals=(
                *_OWN_PASSWORD, *_SEALED, "second-factor-not-enrolled", "second-factor-enrolled",
                "second-factor-rejected",
            ),
        ),
        "disable_second_factor": Operation(
            summary="No code any more.",
            body=SwitchOffBody,
            answers=told(MenderUser),
            refusals=(*_OWN_PASSWORD, *_SEALED, "second-factor-not-enrolled", "second-factor-rejected"),
        ),
    }
)  # fmt: skip

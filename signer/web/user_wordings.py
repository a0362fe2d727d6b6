"""Sentences about users and their logins. A refused login is worded alike, whatever was wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from signer.errors import users
from signer.web.wording import Wording

USER_WORDINGS: Mapping[type[Exception], Wording] = {
    users.LoginRefused: Wording(
        status=401,
        detail="e-mail address, password or second factor is not right",
        hint="where a second factor is enrolled, send its code as token2fa; whoever manages users can reset both",
    ),
    users.LoginsBusy: Wording(
        status=503, transient=True, detail="as many logins as may wait are waiting", hint="try again"
    ),
    users.UserNotFound: Wording(
        status=404, detail="there is no user {user}", hint="artifact-signer users list shows all"
    ),
    users.UserEmailTaken: Wording(status=422, detail="a user has the address {email}"),
    users.UserEmailFixed: Wording(
        status=422,
        detail="the address {email} stays: rules call the user by it",
        hint="make another user, and delete this one",
    ),
    users.UserFactsInvalid: Wording(
        status=400,
        detail="the member {member} cannot be that",
        hint="email: an address in plain ASCII; roles: names as keys have them, 16 at most; name: 1 to 100 printable "
        "ASCII characters; expires_in: 60 to 31536000 seconds",
    ),
    users.UserChanged: Wording(
        status=409, detail="the user {user} was changed by another call, nothing was done", hint="try again"
    ),
    users.PasswordRefused: Wording(status=422, detail="nobody may have this password: {problem}"),
    users.CurrentPasswordWrong: Wording(
        status=422, detail="the current password is another one", hint="send it as current_password"
    ),
    users.PasswordRejected: Wording(status=401, detail="the password is another one"),
    users.SecondFactorRejected: Wording(
        status=422,
        detail="the code is not one of now, or was used",
        hint="wait for the next code, and look at the clock of what shows it",
    ),
    users.SecondFactorEnrolled: Wording(
        status=409, detail="logging in takes a code already", hint="switch the second factor off first"
    ),
    users.SecondFactorNotEnrolled: Wording(status=409, detail="no second factor is enrolled"),
    users.SealKeyUnusable: Wording(
        status=503,
        detail="second factors cannot be used: their key cannot be had, {problem}",
        hint="an operator has to let users.seal_key_file name a file of 32 random bytes, or put it back",
    ),
    users.SeedUnreadable: Wording(
        status=503,
        detail="the second factor of user {user} was sealed for another one, or with another key",
        hint="an operator has to put the key back that users.seal_key_file named; users totp-reset forgets the seed",
    ),
    users.PersonalTokenNameTaken: Wording(
        status=409, detail="a personal access token named {name} is there", hint="delete it, or choose another name"
    ),
    users.PersonalTokensExhausted: Wording(
        status=422, detail="{limit} personal access tokens are there, as many as a user may have", hint="delete one"
    ),
    users.PersonalTokenNotFound: Wording(status=404, detail="there is no personal access token {token} that holds"),
}

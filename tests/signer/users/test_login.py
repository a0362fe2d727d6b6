"""Logging in: what proves somebody, what is told to those who fail, and how often they may try."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path

import argon2
import pytest
from sqlalchemy import select

from signer.domain.one_time_codes import STEP_SECONDS
from signer.storage.token_tables import issued_tokens
from tests.support.asking import Reply
from tests.support.clock import ManualClock
from tests.support.user_site import EMAIL, PASSWORD, USERADM, UserSite, basic, user_site

LOGIN = f"{USERADM}/auth/login"
OTHER = "another horse battery"


def _claims(token: bytes) -> dict[str, object]:
    payload = token.split(b".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))


def test_a_login_is_answered_with_the_token_and_nothing_else(site: UserSite) -> None:
    site.create()
    reply = site.login()
    assert (reply.status_code, reply.content_type) == (200, "application/jwt")
    assert reply.data.count(b".") == 2
    assert not reply.data.endswith(b"\n")
    assert reply.headers["cache-control"] == "no-store"
    claims = _claims(reply.data)
    assert (claims["mender.user"], claims["scp"], claims["iss"]) == (True, "mender.*", "mender.useradm")


HEARD: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "mender-cli: JSON with nothing in it": (EMAIL, PASSWORD, {"Content-Type": "application/json"}, b""),
    "curl: no media type and no body": (EMAIL, PASSWORD, {}, b""),
    "an address in capitals": ("OPS@Example.com", PASSWORD, {}, b""),
    "an empty document": (EMAIL, PASSWORD, {"Content-Type": "application/json"}, b"{}"),
    "who asks for a token without an end gets one with an end": (EMAIL, PASSWORD, {}, b'{"no_expiry":true}'),
    "a code that nobody asked for": (EMAIL, PASSWORD, {}, b'{"token2fa":"123456"}'),
}


@pytest.mark.parametrize("sentence", HEARD)
def test_a_login_is_heard(site: UserSite, sentence: str) -> None:
    email, password, headers, body = HEARD[sentence]
    site.create()
    reply = site.ask("POST", LOGIN, {**basic(email, password), **headers}, body)
    assert reply.status_code == 200
    assert "exp" in _claims(reply.data)


def test_a_password_begins_after_the_first_colon(site: UserSite) -> None:
    site.create(password="with: colons: in it")
    assert site.login(password="with: colons: in it").status_code == 200


def _header(text: str) -> dict[str, str]:
    return {"Authorization": text}


def _encoded(raw: bytes) -> str:
    return "Basic " + base64.b64encode(raw).decode()


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "another password": (basic(EMAIL, OTHER), "wrong-password"),
    "no password": (basic(EMAIL, ""), "wrong-password"),
    "the password with a blank": (basic(EMAIL, PASSWORD + " "), "wrong-password"),
    "the password in capitals": (basic(EMAIL, PASSWORD.upper()), "wrong-password"),
    "somebody whom nobody knows": (basic("who@example.com", PASSWORD), "no-such-user"),
    "what is no address": (basic("who", PASSWORD), "no-such-user"),
    "an address that goes on": (basic(EMAIL + "\0", PASSWORD), "no-such-user"),
    "a disabled user": (basic("gone@example.com", PASSWORD), "no-such-user"),
    "a disabled person's user": (basic("ada@example.com", PASSWORD), "no-such-user"),
    "no header": ({}, "no-credentials"),
    "another scheme": (_header("Digest x"), "no-credentials"),
    "a bearer token": (_header("Bearer a.b.c"), "no-credentials"),
    "no base64": (_header("Basic !!!!"), "no-credentials"),
    "base64 with a line break": (_header("Basic b3BzOng=\n"), "no-credentials"),
    "no colon": (_header(_encoded(b"ops@example.com")), "no-credentials"),
    "no name": (_header(_encoded(b":" + PASSWORD.encode())), "no-credentials"),
    "what is no UTF-8": (_header(_encoded(b"\xff\xfe:" + PASSWORD.encode())), "no-credentials"),
    "a header of two kilobytes": (basic(EMAIL, "x" * 1500), "no-credentials"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_login_is_refused_in_one_form_and_the_log_says_why(
    site: UserSite, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    header, reason = REFUSED[sentence]
    site.create()
    site.create("gone@example.com")
    site.ask("POST", "/v1/users/gone@example.com/disable", site.admin, {"reason": "left"})
    site.ask("POST", "/v1/people", site.admin, {"name": "ada"})
    site.create("ada@example.com", person="ada")
    site.ask("POST", "/v1/people/ada/disable", site.admin, {"reason": "left"})
    with caplog.at_level(logging.DEBUG):
        reply = site.ask("POST", LOGIN, header)
    document = reply.json()
    assert (reply.status_code, document["code"]) == (401, "login-refused")
    assert document["error"] == document["detail"]
    assert set(document) == {"type", "title", "status", "code", "detail", "error", "hint", "request_id"}
    (line,) = [record for record in caplog.records if getattr(record, "code", None) == "login-refused"]
    assert line.reason == reason  # type: ignore[attr-defined]
    assert PASSWORD not in caplog.text
    assert header.get("Authorization", "\0") not in caplog.text


BAD_BODIES = {
    "no JSON": b"token2fa=123456",
    "a list": b"[]",
    "an unknown member": b'{"token":"123456"}',
    "a code that is a number": b'{"token2fa":123456}',
    "a code twice": b'{"token2fa":"123456","token2fa":"123456"}',
}


@pytest.mark.parametrize("sentence", BAD_BODIES)
def test_a_body_is_refused(site: UserSite, sentence: str) -> None:
    site.create()
    reply = site.ask("POST", LOGIN, basic(EMAIL, PASSWORD), BAD_BODIES[sentence])
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid-request")


class Counting:
    """Argon2 that counts its looks."""

    def __init__(self) -> None:
        self.inner = argon2.PasswordHasher(1, 64, 1)
        self.looks = 0

    def hash(self, password: str, /) -> str:
        return self.inner.hash(password)

    def verify(self, kept: str, password: str, /) -> bool:
        self.looks += 1
        return self.inner.verify(kept, password)

    def check_needs_rehash(self, kept: str, /) -> bool:
        return self.inner.check_needs_rehash(kept)


def test_one_look_is_made_whoever_is_claimed(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> None:
    counting = Counting()
    with user_site(sqlite_url, tmp_path, clock, hasher=counting) as site:
        site.create()
        site.create("gone@example.com")
        site.ask("POST", "/v1/users/gone@example.com/disable", site.admin, {"reason": "left"})
        looks = {}
        for email, password in ((EMAIL, PASSWORD), (EMAIL, OTHER), ("who@x.y", OTHER), ("gone@example.com", PASSWORD)):
            before = counting.looks
            site.login(email, password)
            looks[email, password] = counting.looks - before
    assert set(looks.values()) == {1}


class Disabling(Counting):
    """Argon2 during whose look the user is disabled."""

    site: UserSite

    def verify(self, kept: str, password: str, /) -> bool:
        self.site.ask("POST", f"/v1/users/{EMAIL}/disable", self.site.admin, {"reason": "left"})
        return super().verify(kept, password)


def test_who_is_disabled_while_they_log_in_gets_no_token_on_record(
    sqlite_url: str, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    disabling = Disabling()
    with user_site(sqlite_url, tmp_path, clock, hasher=disabling) as site:
        disabling.site = site
        site.create()
        user = site.house.application.users.administration.named(EMAIL)
        with caplog.at_level(logging.WARNING):
            assert site.login().status_code == 401
        assert [record.reason for record in caplog.records if hasattr(record, "reason")] == ["user-changed"]
        with site.house.database.reading() as connection:
            found = connection.execute(select(issued_tokens).where(issued_tokens.c.subject == user.id)).all()
        assert found == []


def test_who_fails_too_often_waits_and_no_look_is_made(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> None:
    counting = Counting()
    with user_site(sqlite_url, tmp_path, clock, hasher=counting) as site:
        site.create()
        assert [site.login(password=OTHER).status_code for _ in range(6)] == [401] * 5 + [429]
        refused = site.login()
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-attempts")
        assert refused.headers["retry-after"] == "60"
        assert counting.looks == 5
        clock.advance(seconds=61)
        assert site.login().status_code == 200


def test_an_unknown_user_is_limited_like_a_known_one(site: UserSite) -> None:
    site.create()
    strangers = [site.login("who@example.com", OTHER).status_code for _ in range(7)]
    site.clock.advance(hours=1)
    assert [site.login(password=OTHER).status_code for _ in range(7)] == strangers


def test_logins_that_succeed_are_not_limited(site: UserSite) -> None:
    site.create()
    assert {site.login().status_code for _ in range(12)} == {200}


def test_strangers_keep_nobody_out_from_where_they_logged_in(site: UserSite) -> None:
    site.create()
    site.login(address="192.0.2.1")
    for number in range(8):
        for _ in range(5):
            site.login(password=OTHER, address=f"203.0.113.{number}")
    assert site.login(address="198.51.100.1").status_code == 429
    assert site.login(address="192.0.2.1").status_code == 200


def test_one_stranger_keeps_nobody_out(site: UserSite) -> None:
    site.create()
    for _ in range(50):
        site.login(password=OTHER, address="203.0.113.1")
    assert site.login(address="192.0.2.1").status_code == 200


def test_who_comes_while_enough_wait_is_told_to_come_again(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> None:
    with user_site(sqlite_url, tmp_path, clock, waiting=0) as site:
        site.create()
        with site.house.parts.users.passwords.admitted():
            busy = site.login()
        assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (503, "logins-busy", "1")
        assert site.login().status_code == 200


class App:
    """What shows codes, from a seed in base32."""

    def __init__(self, site: UserSite, seed: str) -> None:
        self._site = site
        self._seed = base64.b32decode(seed + "=" * (-len(seed) % 8))

    def code(self, *, steps: int = 0) -> str:
        from cryptography.hazmat.primitives.hashes import SHA1
        from cryptography.hazmat.primitives.twofactor.totp import TOTP

        at = int(self._site.clock().timestamp()) + steps * STEP_SECONDS
        return TOTP(self._seed, 6, SHA1(), STEP_SECONDS).generate(at).decode()


def enrolled(site: UserSite) -> App:
    """Somebody whose second factor counts; time has gone on since."""
    session = site.session()
    made = site.ask("POST", f"{USERADM}/settings/2fa", session, {"current_password": PASSWORD})
    app = App(site, made.json()["secret"])
    assert site.ask("POST", f"{USERADM}/settings/2fa/confirm", session, {"token2fa": app.code()}).status_code == 200
    site.clock.advance(seconds=2 * STEP_SECONDS)
    return app


CODES: dict[str, tuple[Callable[[App], str | None], int]] = {
    "the code of now": (App.code, 200),
    "the code of half a minute ago": (lambda app: app.code(steps=-1), 200),
    "no code": (lambda _: None, 401),
    "an empty code": (lambda _: "", 401),
    "a code of last minute": (lambda app: app.code(steps=-2), 401),
    "a code of next minute": (lambda app: app.code(steps=2), 401),
    "letters": (lambda _: "abcdef", 401),
    "half a code": (lambda app: app.code()[:3], 401),
}


@pytest.mark.parametrize("sentence", CODES)
def test_a_second_factor_is_asked_for(site: UserSite, sentence: str) -> None:
    code, status = CODES[sentence]
    site.create()
    assert site.login(code=code(enrolled(site))).status_code == status


def test_a_code_is_good_for_one_login(site: UserSite) -> None:
    site.create()
    app = enrolled(site)
    assert [site.login(code=app.code()).status_code for _ in range(2)] == [200, 401]
    assert site.login(code=app.code(steps=-1)).status_code == 401


def test_wrong_codes_count_like_wrong_passwords(site: UserSite) -> None:
    site.create()
    app = enrolled(site)
    wrong = "000000" if app.code() != "000000" else "111111"
    assert [site.login(code=wrong).status_code for _ in range(5)] == [401] * 5
    assert site.login(code=app.code()).status_code == 429


def test_without_the_seals_key_nobody_with_a_second_factor_logs_in(site: UserSite, tmp_path: Path) -> None:
    site.create()
    app = enrolled(site)
    seal = site.house.application.users.login._seal
    seal._cipher = None  # type: ignore[attr-defined]
    (tmp_path / "users.seal").unlink()
    refused: Reply = site.login(code=app.code())
    assert (refused.status_code, refused.json()["code"]) == (503, "seal-key-unusable")
    (tmp_path / "users.seal").write_bytes(bytes(32))
    assert site.login(code=app.code()).json()["code"] == "login-refused"


def test_whom_a_manager_resets_logs_in_without_a_code(site: UserSite) -> None:
    site.create()
    enrolled(site)
    reset = site.ask("POST", f"/v1/users/{EMAIL}/totp-reset", site.admin, {"reason": "lost the phone"})
    assert (reset.json()["changed"], reset.json()["second_factor"]) == (True, False)
    assert site.login().status_code == 200


def test_nothing_that_proves_anybody_is_in_database_or_log(
    site: UserSite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        site.create()
        app = enrolled(site)
        token, code = "", app.code()
        token = site.login(code=code).data.decode()
        site.login(password=OTHER)
        site.ask("GET", f"{USERADM}/users/me", {"Authorization": f"Bearer {token}"})
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("signer.sqlite*"))
    for secret in (PASSWORD, OTHER, token, token.rpartition(".")[2], base64.b64encode(PASSWORD.encode()).decode()):
        assert secret.encode() not in raw
        assert secret not in caplog.text
    assert app._seed not in raw

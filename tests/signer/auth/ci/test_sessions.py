"""What a session of a CI job opens, for how long, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from signer.domain.identity import Role
from tests.support.ci_site import CiSite
from tests.support.clock import ManualClock


class TestSession:
    def test_it_ends_after_15_minutes_whatever_is_remembered(self, site: CiSite, clock: ManualClock) -> None:
        session = site.session()
        clock.advance(minutes=14, seconds=59)
        assert site.use(session) == 200
        clock.advance(seconds=1)
        reply = site.application.ask("GET", "/v1/keys", f"Bearer {session}")
        assert (reply.status_code, reply.json()["code"]) == (401, "credentials-expired")
        assert site.use(session[:-7] + "0000000") == 401

    def test_one_that_was_made_while_the_clock_was_ahead_holds_no_more(self, site: CiSite, clock: ManualClock) -> None:
        clock.advance(hours=5)
        session = site.session()
        assert site.use(session) == 200
        clock.advance(hours=-5)
        assert site.use(session) == 401

    @pytest.mark.parametrize("known", [False, True], ids=["fresh", "remembered"])
    def test_a_changed_text_is_none(self, site: CiSite, known: bool) -> None:
        session = site.session()
        # The first request tells which revision there is, and whoever was known before that is forgotten.
        assert not known or [site.use(session), site.use(session)] == [200, 200]
        for text in (session[:-1], session + "0", session.upper(), session.replace("asx", "ast"), session[::-1]):
            assert site.use(text) == 401
        for text in (session[:-1] + "\xe4", f"{session[:21]}{'0' * 49}"):
            assert site.use(text) == 401

    def test_the_ci_token_itself_opens_nothing(self, site: CiSite) -> None:
        assert site.use(site.token()) == 401

    def test_it_opens_no_further_session(self, site: CiSite) -> None:
        assert site.show(site.session()).status_code == 401

    CHANGES: dict[str, Callable[[str], str]] = {  # noqa: RUF012  (a table)
        "the identity is taken out": lambda text: text[: text.index("[[ci_identity]]")],
        "more is pinned": lambda text: text.replace("claims = {", 'claims = { run_id = "*",'),
        "its role is another": lambda text: text.replace('"signer"', '"reader"'),
        "its events are others": lambda text: text.replace('role = "signer"', 'role = "signer"\nevents = ["release"]'),
    }

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_it_ends_when_the_settings_say_otherwise(
        self, site: CiSite, tmp_path: Path, change: Callable[[str], str]
    ) -> None:
        from signer.ci_bootstrap import ci_authenticator
        from signer.config import load_settings
        from signer.errors import CredentialsRejected

        session = site.session()
        path = tmp_path / "ci.toml"

        def opens() -> bool:
            authenticator = ci_authenticator(
                load_settings(path, {}), database=site.database, clock=site.clock, cache_seconds=5.0
            )
            try:
                return authenticator.authenticate(session).name == "ci:github/456789"
            except CredentialsRejected:
                return False

        assert opens()
        path.write_text(change(path.read_text()))
        assert not opens()


BOTH = {"session": "0" * 16, "identity": "ci:github/456789", "reason": "r"}
REVOCATIONS: dict[str, dict[str, object]] = {
    "neither": {"reason": "r"},
    "both": BOTH,
    "no reason": {"session": "0" * 16},
    "a number": {"session": 1, "reason": "r"},
}


@pytest.mark.parametrize("body", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_revocation_that_says_what_is_not_known_is_refused(site: CiSite, body: dict[str, object]) -> None:
    session = site.session()
    administrator = site.application.credentials[Role.ADMINISTRATOR]
    reply = site.application.ask("POST", "/v1/ci-sessions/revoke", administrator, json.dumps(body).encode())
    assert reply.status_code == 400
    assert site.use(session) == 200


def test_a_session_ends_with_its_person(site: CiSite) -> None:
    from signer.administration import administration

    session = site.session()
    people = administration(site.database, site.clock).people
    people.create("ada", display=None, email=None, actor="tests")
    people.assign("ci:github/456789", "ada", actor="tests")
    assert site.use(session) == 200
    people.disable("ada", reason="left", actor="tests")
    site.forget()
    assert site.use(session) == 401


def test_the_lifetime_is_no_longer_than_documented(site: CiSite) -> None:
    site.session()
    (session,) = site.store.all_sessions()
    assert session.expires_at - session.created_at == timedelta(minutes=15)

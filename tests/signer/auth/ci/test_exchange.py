"""A CI token for a session: with the real routes, a real database and a real issuer over HTTPS."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signer.auth.ci.refusals import Reason
from signer.domain.events import Event, EventType
from signer.errors import CiKeysUnavailable
from signer.storage.people_store import SqlPeopleStore
from tests.support.ci_issuer import DISCOVERY, KEYS, CiIssuer, running_issuer
from tests.support.ci_site import BEGAN, NONCE, CiSite, ci_site
from tests.support.ci_tokens import ec_pair, github_claims, hmac_signer, rsa_pair, token
from tests.support.clock import ManualClock


class TestGranted:
    def test_a_token_is_exchanged_for_a_session_of_15_minutes(self, site: CiSite) -> None:
        reply = site.show(site.token())
        assert (reply.status_code, reply.headers["cache-control"]) == (201, "no-store")
        document = reply.json()
        assert document["identity"] == "ci:github/456789"
        assert document["expires_at"] == "2026-11-29T12:15:00Z"
        assert site.use(document["session"]) == 200

    def test_it_may_do_what_its_role_may(self, site: CiSite) -> None:
        session = site.session()
        assert site.use(session, "/v1/keys") == 200
        assert site.use(session, "/v1/events") == 403

    def test_elliptic_keys_are_taken_where_they_are_configured(self, site: CiSite, issuer: CiIssuer) -> None:
        issuer.keys.append(ec_pair())
        text = token(github_claims(issuer.url, now=BEGAN.timestamp()), key=ec_pair())
        assert site.show(text).status_code == 201

    def test_the_issuer_is_asked_once_for_many(self, site: CiSite, issuer: CiIssuer) -> None:
        assert len({site.session() for _ in range(20)}) == 20
        assert issuer.asked == [DISCOVERY, KEYS]

    def test_a_key_that_the_issuer_adds_is_found(self, site: CiSite, issuer: CiIssuer) -> None:
        issuer.keys = [rsa_pair("key-2")]
        text = token(github_claims(issuer.url, now=BEGAN.timestamp()), key=rsa_pair("key-2"))
        assert site.show(text).status_code == 201

    def test_an_outage_stops_nobody_whose_key_is_known(self, site: CiSite, issuer: CiIssuer) -> None:
        site.session()
        issuer.open.clear()
        site.session()
        issuer.open.set()
        issuer.says(DISCOVERY, b"", 500)
        site.session()


class TestPeople:
    """Whose identity a job is decides as well."""

    EVENT = Event(
        type=EventType.PERSON_CHANGED, actor="tests", key=None, version=None, before={}, after={"name": "ada"}
    )

    @pytest.fixture
    def people(self, site: CiSite) -> SqlPeopleStore:
        store = SqlPeopleStore(database=site.database, clock=site.clock)
        store.add_person(name="ada", display="Ada", email=None, event=self.EVENT)
        store.assign("ci:github/456789", "ada", self.EVENT)
        return store

    def test_a_job_of_somebody_gets_a_session(self, site: CiSite, people: SqlPeopleStore) -> None:
        assert site.use(site.session()) == 200

    def test_a_job_of_somebody_who_is_disabled_gets_none_and_its_token_is_not_used_up(
        self, site: CiSite, people: SqlPeopleStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        text = site.token()
        people.disable("ada", self.EVENT)
        reply = site.show(text)
        assert (reply.status_code, reply.json()["code"]) == (401, "credentials-rejected")
        assert [line.reason for line in caplog.records if line.name == "artifact-signer.ci"] == [  # type: ignore[attr-defined]
            Reason.PERSON_DISABLED.value
        ]
        assert not [leaf for leaf in site.leaves() if leaf["type"] == EventType.CI_SESSION_CREATED.value]
        people.enable("ada", self.EVENT)
        assert site.show(text).status_code == 201

    def test_what_a_token_was_exchanged_for_is_not_given_again(self, site: CiSite, people: SqlPeopleStore) -> None:
        text = site.token()
        assert site.show(text, NONCE).status_code == 201
        people.disable("ada", self.EVENT)
        assert site.show(text, NONCE).status_code == 401


class TestLeaf:
    def test_it_tells_who_and_which_run_and_no_credential(self, site: CiSite) -> None:
        text = site.token(jti="one-of-a-kind")
        reply = site.show(text, NONCE)
        (leaf,) = (leaf for leaf in site.leaves() if leaf["type"] == EventType.CI_SESSION_CREATED.value)
        assert leaf["actor"] == "ci:github/456789"
        claims = leaf["after"]["claims"]
        assert (claims["ref"], claims["run_id"], claims["sha"]) == ("refs/heads/main", "9876543210", "0f" * 20)
        assert claims["sub"].startswith("repo:octo-org@123456")
        assert leaf["after"]["session"] == reply.json()["session"].split("_")[1]
        written = json.dumps(site.leaves())
        for secret in (text, *text.split("."), reply.json()["session"], NONCE, "one-of-a-kind"):
            assert secret not in written

    def test_rows_that_give_power_are_what_it_says(self, site: CiSite) -> None:
        site.session()
        (leaf,) = (leaf for leaf in site.leaves() if leaf["type"] == EventType.CI_SESSION_CREATED.value)
        assert leaf["access_before"] != leaf["access_sha256"]


OTHER = rsa_pair("key-1-of-another")
Show = Callable[[CiSite], str]
REFUSED: dict[str, tuple[Show, Reason]] = {
    "text that is no token": (lambda site: "asx_token", Reason.MALFORMED),
    "a token of nobody's issuer": (lambda site: site.token(iss="https://evil.example"), Reason.ISSUER_UNKNOWN),
    "the issuer with a slash": (lambda site: site.token(iss=f"{site.issuer.url}/"), Reason.ISSUER_UNKNOWN),
    "no signature": (
        lambda site: token(
            github_claims(site.issuer.url, now=BEGAN.timestamp()), header={"alg": "none"}, sign=lambda _: b""),
        Reason.ALGORITHM_REFUSED),
    "the public key as a secret": (
        lambda site: token(
            github_claims(site.issuer.url, now=BEGAN.timestamp()), header={"alg": "HS256"},
            sign=hmac_signer(rsa_pair().pem)),
        Reason.ALGORITHM_REFUSED),
    "another's key under a known kid": (
        lambda site: token(github_claims(site.issuer.url, now=BEGAN.timestamp()), sign=OTHER.sign),
        Reason.SIGNATURE_INVALID),
    "a key that the issuer does not list": (
        lambda site: token(github_claims(site.issuer.url, now=BEGAN.timestamp()), key=OTHER), Reason.KEY_UNKNOWN),
    "another repository": (lambda site: site.token(repository_id="1"), Reason.IDENTITY_UNKNOWN),
    "another owner": (lambda site: site.token(repository_owner_id="1"), Reason.OWNER_REFUSED),
    "a pull request from elsewhere": (
        lambda site: site.token(event_name="pull_request_target"), Reason.EVENT_REFUSED),
    "another branch": (lambda site: site.token(ref="refs/heads/main2"), Reason.CLAIM_REFUSED),
    "no environment": (lambda site: site.token(environment=...), Reason.CLAIM_MISSING),
    "another's audience": (lambda site: site.token(aud="https://github.com/octo-org"), Reason.AUDIENCE_REFUSED),
    "a list of audiences": (
        lambda site: site.token(aud=["https://signer.example", "https://x.example"]), Reason.AUDIENCE_REFUSED),
    "a token of yesterday": (
        lambda site: site.token(iat=int(BEGAN.timestamp()) - 86400, exp=int(BEGAN.timestamp()) - 86100),
        Reason.EXPIRED),
    "a token of tomorrow": (
        lambda site: site.token(iat=int(BEGAN.timestamp()) + 3600, exp=int(BEGAN.timestamp()) + 3900, nbf=...),
        Reason.NOT_YET_VALID),
    "an exp that is text": (lambda site: site.token(exp=str(int(BEGAN.timestamp()) + 300)), Reason.CLAIM_TYPE),
    "a token that lives for days": (
        lambda site: site.token(exp=int(BEGAN.timestamp()) + 86400), Reason.LIFETIME_TOO_LONG),
    "no jti": (lambda site: site.token(jti=...), Reason.CLAIM_MISSING),
    "nine kilobytes": (lambda site: site.token(filler="x" * 9000), Reason.TOO_LARGE),
}  # fmt: skip


@pytest.mark.parametrize(("show", "reason"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_only_the_log_says_why(
    site: CiSite, show: Show, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "artifact-signer.ci")
    text = show(site)
    leaves = len(site.leaves())
    reply = site.show(text)
    assert (reply.status_code, reply.json()["code"]) == (401, "credentials-rejected")
    assert "facts" not in reply.json()
    (line,) = (record for record in caplog.records if record.name == "artifact-signer.ci")
    assert (line.reason, line.request_id) == (reason.value, reply.json()["request_id"])  # type: ignore[attr-defined]
    assert text not in caplog.text
    assert len(site.leaves()) == leaves
    assert site.store.all_sessions() == ()


def test_a_refused_token_is_not_used_up(site: CiSite, clock: ManualClock) -> None:
    later = site.token(iat=int(BEGAN.timestamp()) + 60, exp=int(BEGAN.timestamp()) + 360, nbf=...)
    assert site.show(later).status_code == 401
    clock.advance(seconds=60)
    assert site.show(later).status_code == 201


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no token": b"{}",
    "a token that is a number": b'{"token": 1}',
    "a token twice": b'{"token": "a", "token": "b"}',
    "a member that is unknown": b'{"token": "a", "role": "administrator"}',
    "a nonce that anybody guesses": b'{"token": "a", "nonce": "1234"}',
    "a nonce without end": json.dumps({"token": "a", "nonce": "n" * 129}).encode(),
    "a nonce of other characters": json.dumps({"token": "a", "nonce": "é" * 32}).encode(),
    "a nonce with a newline": json.dumps({"token": "a", "nonce": "n" * 32 + "\n"}).encode(),
    "no JSON": b"token",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_none_is_refused_before_anything_is_looked_at(site: CiSite, body: bytes) -> None:
    reply = site.post(body)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid-request")


def test_a_body_without_end_is_refused(site: CiSite) -> None:
    assert site.post(b'{"token": "' + b"x" * (64 << 10) + b'"}').status_code == 413


class TestReplay:
    def test_a_token_is_good_for_one_session(self, site: CiSite) -> None:
        text = site.token()
        assert [site.show(text).status_code for _ in range(3)] == [201, 401, 401]

    def test_the_same_nonce_gets_the_same_session_once_more(self, site: CiSite, clock: ManualClock) -> None:
        text = site.token()
        first = site.show(text, NONCE).json()
        clock.advance(seconds=60)
        assert site.show(text, NONCE).json() == first
        assert site.use(first["session"]) == 200
        assert len(site.store.all_sessions()) == 1

    AGAIN: dict[str, tuple[str | None, str | None, float]] = {  # noqa: RUF012  (a table)
        "without a nonce": (NONCE, None, 0),
        "with another nonce": (NONCE, "m" * 32, 0),
        "with a nonce where there was none": (None, NONCE, 0),
        "without one, twice": (None, None, 0),
        "after a minute": (NONCE, NONCE, 61),
    }

    @pytest.mark.parametrize(("first", "second", "later"), AGAIN.values(), ids=AGAIN)
    def test_it_gets_nothing(
        self, site: CiSite, clock: ManualClock, first: str | None, second: str | None, later: float
    ) -> None:
        text = site.token()
        assert site.show(text, first).status_code == 201
        clock.advance(seconds=later)
        assert site.show(text, second).status_code == 401

    def test_a_session_that_was_revoked_is_not_given_out_again(self, site: CiSite) -> None:
        text = site.token()
        session = site.show(text, NONCE).json()["session"]
        assert site.store.revoke("tests", "tests", session=session.split("_")[1])
        assert site.show(text, NONCE).status_code == 401

    def test_another_token_of_the_same_jti_is_the_same_use(self, site: CiSite) -> None:
        assert site.show(site.token(jti="j"), NONCE).status_code == 201
        assert site.show(site.token(jti="j", run_id="2"), NONCE).status_code == 401

    def test_a_token_is_remembered_as_long_as_it_would_be_taken(self, site: CiSite, clock: ManualClock) -> None:
        text = site.token()
        site.show(text)
        for _ in range(33):
            clock.advance(seconds=10)
            site.session()
            assert site.show(text).status_code == 401
        clock.advance(seconds=120)
        site.session()  # with which what is over is forgotten
        assert site.show(text).status_code == 401

    def test_a_token_from_before_a_correction_of_the_clock_is_refused(
        self, site: CiSite, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = site.token(iat=int(BEGAN.timestamp()) - 10)
        clock.advance(hours=1)
        site.session()
        clock.advance(hours=-1)
        _correct_the_clock(site)
        assert site.show(before).status_code == 401
        assert Reason.BEFORE_CLOCK_CORRECTION.value in caplog.text
        clock.advance(seconds=1)
        assert site.show(site.token()).status_code == 201


def _correct_the_clock(site: CiSite) -> None:
    from signer.storage.key_store import SqlKeyStore

    SqlKeyStore(database=site.database, clock=site.clock).correct_clock(actor="tests", reason="tests")


class TestIssuerTrouble:
    def test_nobody_is_asked_for_an_issuer_that_is_unknown(self, site: CiSite, issuer: CiIssuer) -> None:
        for number in range(50):
            site.show(site.token(iss=f"https://localhost:{number}"))
        assert issuer.asked == []

    def test_nobody_is_asked_for_the_key_of_an_algorithm_that_is_not_configured(
        self, site: CiSite, issuer: CiIssuer
    ) -> None:
        claims = github_claims(issuer.url, now=BEGAN.timestamp())
        assert site.show(token(claims, header={"alg": "RS512", "kid": "unknown"})).status_code == 401
        assert issuer.asked == []

    def test_without_any_keys_the_job_is_told_to_try_again(self, site: CiSite, issuer: CiIssuer) -> None:
        issuer.says(KEYS, b"", 500)
        reply = site.show(site.token())
        assert (reply.status_code, reply.json()["code"]) == (503, CiKeysUnavailable.code)
        assert "retry-after" in reply.headers

    def test_who_waits_for_an_issuer_that_hangs_is_told_so_after_seconds(self, site: CiSite, issuer: CiIssuer) -> None:
        issuer.open.clear()
        reply = site.show(site.token())
        assert (reply.status_code, reply.json()["code"]) == (503, CiKeysUnavailable.code)
        assert site.store.all_sessions() == ()

    def test_made_up_kids_ask_it_once(self, site: CiSite, issuer: CiIssuer) -> None:
        for number in range(20):
            claims = github_claims(issuer.url, now=BEGAN.timestamp())
            assert site.show(token(claims, header={"kid": f"../{number}"})).status_code == 401
        assert issuer.asked == [DISCOVERY, KEYS]

    def test_a_token_of_one_issuer_is_not_verified_with_keys_of_another(
        self, tmp_path: Path, issuer: CiIssuer, clock: ManualClock
    ) -> None:
        with running_issuer(tmp_path, name="second") as second:
            second.keys = [rsa_pair("of-the-second")]
            more = f"""
[[ci_issuer]]
name = "second"
issuer = "{second.url}"
kind = "github"
audience = "https://signer.example"
ca_file = "{second.ca_file}"
"""
            with ci_site(tmp_path, issuer, clock=clock, more=more) as site:
                claims = github_claims(issuer.url, now=BEGAN.timestamp())
                assert site.show(token(claims, key=rsa_pair("of-the-second"))).status_code == 401
                own: dict[str, Any] = github_claims(second.url, now=BEGAN.timestamp())
                assert site.show(token(own, key=rsa_pair("of-the-second"))).status_code == 401  # no identity there
                assert site.show(site.token()).status_code == 201


def test_a_clock_that_is_behind_the_record_gives_no_sessions(site: CiSite, clock: ManualClock) -> None:
    site.session()
    clock.advance(minutes=-10)
    assert site.show(site.token()).status_code == 503


def test_where_no_issuer_is_configured_every_token_is_refused(tmp_path: Path, issuer: CiIssuer) -> None:
    from tests.docs.application import application

    made = application(tmp_path)
    try:
        body = json.dumps({"token": token(github_claims(issuer.url))}).encode()
        assert made.ask("POST", "/v1/auth/ci", body=body).status_code == 401
    finally:
        made.close()

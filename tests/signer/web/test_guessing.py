"""Wrong credentials at the front: bounded on every way on which they can be tried, and only there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signer.auth.attempts import CREDENTIAL_ATTEMPTS
from signer.auth.token_text import TokenText
from signer.config import LimitSettings
from signer.domain.credentials import PeerKind
from signer.domain.identity import Role
from signer.web.environ import LISTENER
from tests.docs.application import Application
from tests.support.asking import Reply, ask

MOST = LimitSettings().failed_attempts  # type: ignore[call-arg]
EXCHANGE = json.dumps({"token": "a.b.c", "nonce": "n" * 22}).encode()


def asked(
    site: Application, address: str | None, path: str = "/v1/keys", text: str = "ast_wrong", **options: Any
) -> Reply:
    kind = PeerKind.TCP if address else PeerKind.UNIX
    said = {"client": (address, 1) if address else None, LISTENER: kind}
    return ask(site.front, "GET", path, headers={"Authorization": f"Bearer {text}"}, said=said, **options)


def exchanged(site: Application, address: str) -> Reply:
    return ask(site.front, "POST", "/v1/auth/ci", body=EXCHANGE, said={"client": (address, 1)})


def test_an_address_is_bounded_on_all_ways_together(site: Application) -> None:
    statuses = [asked(site, "192.0.2.1").status_code for _ in range(MOST // 2)]
    statuses += [exchanged(site, "192.0.2.1").status_code for _ in range(MOST - MOST // 2)]
    assert set(statuses) == {401}
    for refused in (asked(site, "192.0.2.1"), exchanged(site, "192.0.2.1")):
        assert refused.status_code == 429
        assert refused.json()["code"] == "too-many-attempts"
        assert int(refused.headers["retry-after"]) >= 1
    assert asked(site, "192.0.2.2").status_code == 401
    assert exchanged(site, "192.0.2.2").status_code == 401


def test_probes_are_answered_and_told_no_more_than_strangers(site: Application) -> None:
    for _ in range(MOST + 5):
        asked(site, "192.0.2.3")
    for path in ("/healthz", "/readyz"):
        stranger = ask(site.front, "GET", path, said={"client": ("192.0.2.3", 1)})
        guessing = asked(site, "192.0.2.3", path)
        assert (guessing.status_code, guessing.data) == (stranger.status_code, stranger.data)


def test_who_shows_nothing_is_asked_for_credentials_however_often(site: Application) -> None:
    for _ in range(2 * MOST):
        assert ask(site.front, "GET", "/v1/keys", said={"client": ("192.0.2.4", 1)}).status_code == 401


@pytest.mark.parametrize("exists", [True, False], ids=["one that exists", "one that does not"])
def test_a_tokens_id_is_bounded_where_no_address_is_believed(site: Application, exists: bool) -> None:
    token_id = site.credentials[Role.READER][11:27] if exists else "0123456789abcdef"
    texts = [TokenText.make("ast", token_id=token_id).text for _ in range(2 * CREDENTIAL_ATTEMPTS)]
    statuses = [asked(site, None, text=text).status_code for text in texts]
    assert statuses == [401] * CREDENTIAL_ATTEMPTS + [429] * CREDENTIAL_ATTEMPTS

"""Fetching keys from a real issuer over HTTPS, which may be down, slow, lying, huge, or send elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from signer.auth.ci.key_cache import KeysUnavailable
from signer.auth.ci.key_set import IssuerKey, KeySetRefused
from signer.auth.ci.key_source import FETCH_SECONDS, MAX_DOCUMENT_BYTES, Published, file_keys, published_keys
from tests.support.ci_issuer import DISCOVERY, KEYS, CiIssuer, running_issuer
from tests.support.ci_tokens import ec_pair, rsa_pair


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[CiIssuer]:
    with running_issuer(tmp_path) as running:
        yield running


def fetcher(
    issuer: CiIssuer, *, url: str | None = None, key_host: str | None = None
) -> Callable[[], Mapping[str, IssuerKey]]:
    return published_keys(
        Published(issuer=url or issuer.url, algorithms=("RS256",), key_host=key_host, ca_file=issuer.ca_file)
    )


def test_keys_are_found_by_discovery(issuer: CiIssuer) -> None:
    assert set(fetcher(issuer)()) == {"key-1"}
    assert issuer.asked == [DISCOVERY, KEYS]


def test_a_rotation_is_seen_at_the_next_fetch(issuer: CiIssuer) -> None:
    fetch = fetcher(issuer)
    issuer.keys = [rsa_pair("key-2"), ec_pair()]
    assert set(fetch()) == {"key-2"}


def test_keys_may_be_on_another_host_that_is_configured(issuer: CiIssuer, tmp_path: Path) -> None:
    with running_issuer(tmp_path, name="keys") as host:
        both = tmp_path / "both.pem"
        both.write_bytes(issuer.ca_file.read_bytes() + host.ca_file.read_bytes())
        issuer.ca_file = both
        issuer.says(DISCOVERY, issuer.discovery(jwks_uri=host.url + KEYS))
        assert set(fetcher(issuer, key_host=host.url.removeprefix("https://"))()) == {"key-1"}
        with pytest.raises(KeySetRefused, match="another host"):
            fetcher(issuer)()
        assert len(host.asked) == 1


LIES: dict[str, Callable[[CiIssuer], None]] = {
    "its document is HTML": lambda issuer: issuer.says(DISCOVERY, b"<html>"),
    "its document is a list": lambda issuer: issuer.says(DISCOVERY, b"[]"),
    "its document says a member twice": lambda issuer: issuer.says(DISCOVERY, b'{"issuer":"a","issuer":"b"}'),
    "its document is another's": lambda issuer: issuer.says(DISCOVERY, issuer.discovery(issuer="https://o.example")),
    "its document has a slash more": lambda issuer: issuer.says(DISCOVERY, issuer.discovery(issuer=issuer.url + "/")),
    "its document names no keys": lambda issuer: issuer.says(DISCOVERY, issuer.discovery(jwks_uri=None)),
    "its keys are a file": lambda issuer: issuer.says(DISCOVERY, issuer.discovery(jwks_uri="file:///etc/passwd")),
    "its keys are inside": lambda issuer: issuer.says(DISCOVERY, issuer.discovery(jwks_uri="http://169.254.169.254/x")),
    "its keys are at another port": lambda issuer: issuer.says(
        DISCOVERY, issuer.discovery(jwks_uri="https://localhost:1/keys")),
    "its keys are elsewhere": lambda issuer: issuer.says(
        DISCOVERY, issuer.discovery(jwks_uri="https://keys.example/keys")),
    "its keys are HTML": lambda issuer: issuer.says(KEYS, b"<html>"),
    "its keys are none": lambda issuer: issuer.says(KEYS, b'{"keys": []}'),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_refused(issuer: CiIssuer, lie: Callable[[CiIssuer], None]) -> None:
    lie(issuer)
    with pytest.raises(KeySetRefused):
        fetcher(issuer)()


FAILURES: dict[str, Callable[[CiIssuer], None]] = {
    "its document is not there": lambda issuer: issuer.says(DISCOVERY, b"", 404),
    "it fails": lambda issuer: issuer.says(DISCOVERY, b"", 500),
    "its keys fail": lambda issuer: issuer.says(KEYS, b"", 503),
    "its document sends elsewhere": lambda issuer: issuer.says(
        DISCOVERY, b"", 302, Location="https://evil.example/"),
    "its keys send elsewhere": lambda issuer: issuer.says(KEYS, b"", 307, Location=issuer.url + "/other"),
    "its document is huge": lambda issuer: issuer.says(DISCOVERY, b" " * (MAX_DOCUMENT_BYTES + 1)),
    "its keys are huge": lambda issuer: issuer.says(KEYS, b" " * (MAX_DOCUMENT_BYTES + 1)),
}  # fmt: skip


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_failure_says_that_there_are_no_keys(issuer: CiIssuer, fail: Callable[[CiIssuer], None]) -> None:
    fail(issuer)
    with pytest.raises(KeysUnavailable):
        fetcher(issuer)()
    assert "/other" not in issuer.asked


def test_one_that_is_slow_is_given_a_few_seconds_in_all(issuer: CiIssuer) -> None:
    issuer.open.clear()
    started = time.monotonic()
    with pytest.raises(KeysUnavailable, match="seconds"):
        fetcher(issuer)()
    assert FETCH_SECONDS - 0.5 < time.monotonic() - started < FETCH_SECONDS + 10


def test_a_certificate_of_nobody_is_refused(issuer: CiIssuer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with running_issuer(tmp_path / "other") as other:
        issuer.ca_file = other.ca_file
        with pytest.raises(KeysUnavailable):
            fetcher(issuer)()
    assert issuer.asked == []


def test_nothing_listens(issuer: CiIssuer) -> None:
    with pytest.raises(KeysUnavailable):
        fetcher(issuer, url="https://localhost:1")()


def test_a_ca_file_that_is_none(issuer: CiIssuer, tmp_path: Path) -> None:
    issuer.ca_file = tmp_path / "nothing.pem"
    with pytest.raises(KeysUnavailable, match="cannot be read"):
        fetcher(issuer)()


class TestFile:
    def test_keys_may_be_a_file_and_nobody_is_asked(self, issuer: CiIssuer, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        path.write_bytes(issuer.key_set())
        assert set(file_keys(path, ("RS256",))()) == {"key-1"}
        assert issuer.asked == []

    @pytest.mark.parametrize("content", [b"", b"{}", b" " * (MAX_DOCUMENT_BYTES + 1), json.dumps({"keys": 1}).encode()])
    def test_a_file_that_is_no_key_set_is_refused(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "keys.json"
        path.write_bytes(content)
        with pytest.raises(KeySetRefused):
            file_keys(path, ("RS256",))()

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(KeysUnavailable, match=r"keys.json: No such file"):
            file_keys(tmp_path / "keys.json", ("RS256",))()

"""What may stand in a configuration of a gateway, and what may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from signer.errors import GatewayOptionRefused
from signer.gateway.inputs import Place, Upstream, checked_path
from signer.gateway.key_uri import TlsKeyUri

PLACES = {
    "a name": ("gateway.example:443", "gateway.example:443"),
    "an address": ("192.0.2.1:8443", "192.0.2.1:8443"),
    "an IPv6 address": ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    "all addresses": ("[::]:443", "[::]:443"),
}
UPSTREAMS = {
    "http on this machine": ("http://127.0.0.1:8080", "http://127.0.0.1:8080", False),
    "http over the network, which is told of": ("http://mender:8080", "http://mender:8080", True),
    "https, whose port is known": ("https://mender.example/", "https://mender.example:443", False),
    "an IPv6 address": ("https://[2001:db8::1]", "https://[2001:db8::1]:443", False),
}
REFUSED: dict[str, tuple[Callable[[str], object], str]] = {
    "a place without a port": (lambda text: Place.parse(text, option="--listen"), "gateway.example"),
    "port 0": (lambda text: Place.parse(text, option="--listen"), "gateway.example:0"),
    "a port beyond the last": (lambda text: Place.parse(text, option="--listen"), "gateway.example:65536"),
    "digits of another script": (
        lambda text: Place.parse(text, option="--listen"),
        "gateway.example:\uff14\uff14\uff13",
    ),
    "no host": (lambda text: Place.parse(text, option="--listen"), ":443"),
    "an IPv6 address without brackets": (lambda text: Place.parse(text, option="--listen"), "2001:db8::1:443"),
    "a place with a directive": (lambda text: Place.parse(text, option="--listen"), "a; include /etc/passwd;:443"),
    "a place with a new line": (lambda text: Place.parse(text, option="--listen"), "a\nb:443"),
    "a new line at the end": (lambda text: Place.parse(text, option="--listen"), "gateway.example:443\n"),
    "an upstream with a path": (Upstream.parse, "https://mender.example/api"),
    "an upstream with a query": (Upstream.parse, "https://mender.example/?a"),
    "an upstream with a password": (Upstream.parse, "https://a:b@mender.example"),
    "another scheme": (Upstream.parse, "ftp://mender.example"),
    "an upstream with a directive": (Upstream.parse, "http://a;b:80"),
    "an upstream with a variable": (Upstream.parse, "http://$host:80"),
    "an upstream with a brace": (Upstream.parse, "http://a}:80"),
    "an upstream with a backtick": (Upstream.parse, "http://a`b:80"),
    "no URL": (Upstream.parse, "mender.example"),
    "a path with a quote": (lambda text: checked_path(Path(text), option="--certificate"), '/etc/a".crt'),
    "a path with a variable": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/$host.crt"),
    "a path with a directive": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/a;b.crt"),
    "a path with a brace": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/a{b.crt"),
    "a path with a backslash": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/a\\b.crt"),
    "a path with a new line": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/a\nb.crt"),
    "a path with a comment": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/#a.crt"),
    "a path that ends in a blank": (lambda text: checked_path(Path(text), option="--certificate"), "/etc/a "),
}


@pytest.mark.parametrize("sentence", PLACES)
def test_a_place_is(sentence: str) -> None:
    text, written = PLACES[sentence]
    assert str(Place.parse(text, option="--listen")) == written


@pytest.mark.parametrize("sentence", UPSTREAMS)
def test_an_upstream_is(sentence: str) -> None:
    text, url, told = UPSTREAMS[sentence]
    upstream = Upstream.parse(text)
    assert (upstream.url, upstream.over_the_network) == (url, told)


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_is(sentence: str) -> None:
    read, text = REFUSED[sentence]
    with pytest.raises(GatewayOptionRefused):
        read(text)


def test_a_relative_path_begins_where_the_command_runs() -> None:
    assert checked_path(Path("a b/ü.crt"), option="--certificate") == Path.cwd() / "a b/ü.crt"


OURS = {"softhsm": "pkcs11:token=artifact-signer?module-path=/m.so", "hsm": "pkcs11:serial=0042;token=vault"}
KEYS = {
    "another label": "pkcs11:token=gw;object=tls",
    "a file of the PIN": "pkcs11:token=gw;object=tls;type=private?pin-source=file:/etc/gateway.pin",
    "an id that is no text": "pkcs11:token=gw;id=%01%FF",
    "a label that looks alike": "pkcs11:token=Artifact-Signer;object=tls",
}
KEYS_REFUSED = {
    "the service's token": ("pkcs11:token=artifact-signer;object=tls", "the token softhsm"),
    "the service's token, encoded": ("pkcs11:token=artifact%2Dsigner;object=tls", "the token softhsm"),
    "the service's token, padded": ("pkcs11:token=artifact-signer%20;object=tls", "the token softhsm"),
    "the service's second token": ("pkcs11:token=vault;object=tls", "the token hsm"),
    "a token that only its serial number names": ("pkcs11:serial=7;object=tls", "needs token"),
    "no token": ("pkcs11:object=tls", "needs token"),
    "no key": ("pkcs11:token=gw", "one of object and id"),
    "a public key": ("pkcs11:token=gw;object=tls;type=public", "type"),
    "a PIN": ("pkcs11:token=gw;object=tls;pin-value=1234", "pin-value"),
    "a PIN in the query": ("pkcs11:token=gw;object=tls?pin-value=1234", "pin-value"),
    "a command for the PIN": ("pkcs11:token=gw;object=tls?pin-source=|cat", "pin-source"),
    "a module of its own": ("pkcs11:token=gw;object=tls?module-path=/m.so", "attributes"),
    "an attribute twice": ("pkcs11:token=gw;token=other;object=tls", "twice"),
    "an empty value": ("pkcs11:token=;object=tls", "empty"),
    "a quote": ('pkcs11:token=gw;object=t"', "character"),
    "a variable": ("pkcs11:token=gw;object=$host", "character"),
    "a broken escape": ("pkcs11:token=gw;object=%4", "character"),
    "a new line": ("pkcs11:token=gw;object=tls\n", "character"),
    "another scheme": ("file:/etc/key", "pkcs11:"),
    "too long": ("pkcs11:token=gw;object=" + "a" * 2000, "characters"),
}


@pytest.mark.parametrize("sentence", KEYS)
def test_a_key_of_the_gateway_may_be_named_by(sentence: str) -> None:
    assert TlsKeyUri.parse(KEYS[sentence], configured=OURS).text == KEYS[sentence]


@pytest.mark.parametrize("sentence", KEYS_REFUSED)
def test_a_key_of_the_gateway_may_not_be_named_by(sentence: str) -> None:
    uri, reason = KEYS_REFUSED[sentence]
    with pytest.raises(GatewayOptionRefused) as refused:
        TlsKeyUri.parse(uri, configured=OURS)
    assert reason in refused.value.reason


def test_a_token_that_is_configured_by_its_slot_alone_may_be_any() -> None:
    with pytest.raises(GatewayOptionRefused):
        TlsKeyUri.parse("pkcs11:token=gw;object=tls", configured={"slot": "pkcs11:slot-id=3"})

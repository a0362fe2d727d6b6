"""Certificates of servers: what a bundle holds, when a switch may be, what is taken in, and who believes what."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.domain import published_keys
from signer.domain.certificate_facts import certificate_facts
from signer.domain.published_keys import PUBLISHED_KEYS, spki_digest
from signer.domain.server_certificates import (
    PrivateHalf,
    ServerCertificate,
    ServerCertificates,
    ServerCertificateState,
    required_names,
    untold_step,
)
from signer.domain.server_chains import checked_server_chain, read_bundle
from signer.domain.server_requests import requested_key
from signer.domain.server_trust import ClientFamily, Shown, TrustProblem, trust_problem
from signer.errors import CertificateRejected, SignerError
from signer.errors.server_certificates import (
    BundleCutOff,
    BundleRejected,
    NoNextServerCertificate,
    ServerBundleTooNew,
    ServerCertificateInUse,
    ServerCertificateNotFound,
    ServerCertificateNotInForce,
    ServerCertificateRejected,
    ServerCertificateWithoutNames,
    ServerKeyPublished,
)
from tests.signer.certificates.authority import CA, NO_CA, Authority, name, pem, root, usage

S = ServerCertificateState
NOW = datetime.now(UTC)
HOST = "updates.example.com"
SAN = (x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
PAIR = ec.generate_private_key(ec.SECP256R1())


def own(*extensions: tuple[x509.ExtensionType, bool], subject: str = HOST, **period: timedelta) -> x509.Certificate:
    """A certificate that issued itself."""
    return Authority(name=name(subject), now=NOW, key=PAIR).certify(
        name(subject), PAIR.public_key(), *(extensions or (SAN,)), **period
    )


def kept(state: S, certificate: x509.Certificate | None = None, **changes: object) -> ServerCertificate:
    made = certificate or Authority(name=name(HOST), now=NOW).certify(name(HOST), PAIR.public_key(), SAN)
    text = pem(made).decode()
    return replace(
        ServerCertificate(
            name="server",
            fingerprint=certificate_facts(text).fingerprint,
            state=state,
            pem=text,
            chain_pem="",
            spki_sha256=spki_digest(made.public_key()),
            private_half=PrivateHalf.FILE,
            ca_key=None,
            ca_version=None,
            not_before=made.not_valid_before_utc,
            not_after=made.not_valid_after_utc,
            created_at=NOW,
            created_by="tests",
        ),
        **changes,  # type: ignore[arg-type]
    )


def server(*certificates: ServerCertificate) -> ServerCertificates:
    return ServerCertificates(name="server", certificates=certificates)


class TestBundle:
    def test_it_holds_previous_active_and_next_and_nothing_that_is_retired(self) -> None:
        gone, before, active, following = (kept(state) for state in (S.RETIRED, S.PREVIOUS, S.ACTIVE, S.NEXT))
        found = server(gone, following, active, before).bundle(now=NOW)
        assert found == before.pem + active.pem + following.pem

    def test_a_previous_one_that_has_ended_is_left_out(self) -> None:
        before, active = kept(S.PREVIOUS, not_after=NOW - timedelta(days=1)), kept(S.ACTIVE)
        assert server(before, active).bundle(now=NOW) == active.pem

    def test_of_one_that_a_ca_issued_it_holds_the_ca_once(self) -> None:
        ca = pem(*root(NOW).chain).decode()
        found = server(kept(S.ACTIVE, chain_pem=ca), kept(S.NEXT, chain_pem=ca)).bundle(now=NOW)
        assert found == ca

    def test_nobody_is_told_to_trust_nothing(self) -> None:
        with pytest.raises(ServerCertificateNotFound):
            server(kept(S.RETIRED)).bundle(now=NOW)


OUT = {"published_at": NOW - timedelta(days=15)}
SWITCHES: dict[str, tuple[type[SignerError] | None, ServerCertificates, bool]] = {
    "the bundle was out for long enough": (None, server(kept(S.ACTIVE), kept(S.NEXT, **OUT)), False),
    "the bundle is out since yesterday": (
        ServerBundleTooNew,
        server(kept(S.ACTIVE), kept(S.NEXT, published_at=NOW - timedelta(days=1))),
        False,
    ),
    "the bundle was never given out": (ServerBundleTooNew, server(kept(S.ACTIVE), kept(S.NEXT)), False),
    "the same by force": (None, server(kept(S.ACTIVE), kept(S.NEXT)), True),
    "nobody has to learn of a first one": (None, server(kept(S.NEXT)), False),
    "there is no next one": (NoNextServerCertificate, server(kept(S.ACTIVE)), True),
    "it has ended, and force does not help": (
        ServerCertificateNotInForce,
        server(kept(S.ACTIVE), kept(S.NEXT, not_after=NOW - timedelta(seconds=1))),
        True,
    ),
    "it has not begun": (
        ServerCertificateNotInForce,
        server(kept(S.ACTIVE), kept(S.NEXT, not_before=NOW + timedelta(seconds=1))),
        True,
    ),
}


@pytest.mark.parametrize("sentence", SWITCHES)
def test_a_switch(sentence: str) -> None:
    expected, certificates, force = SWITCHES[sentence]
    if expected is None:
        assert certificates.to_switch(now=NOW, days=14, force=force) == certificates.next
        return
    with pytest.raises(expected):
        certificates.to_switch(now=NOW, days=14, force=force)


@pytest.mark.parametrize(
    ("state", "refusal"),
    [(S.NEXT, None), (S.PREVIOUS, None), (S.ACTIVE, ServerCertificateInUse), (S.RETIRED, ServerCertificateNotFound)],
)
def test_what_is_retired(state: S, refusal: type[SignerError] | None) -> None:
    one = kept(state)
    found = server(kept(S.NEXT), one)
    if refusal is None:
        assert found.to_retire(one.fingerprint[:12].upper()) == one
        return
    with pytest.raises(refusal):
        found.to_retire(one.fingerprint)


@pytest.mark.parametrize("prefix", ["", "0", "abcdef1", "zzzzzzzz"])
def test_a_beginning_that_is_short_or_of_none_names_nothing(prefix: str) -> None:
    with pytest.raises(ServerCertificateNotFound):
        server(kept(S.NEXT)).find(prefix)


@pytest.mark.parametrize(
    ("days", "told", "step"),
    [
        (91, None, None),
        (90, None, 90),
        (89, 90, None),
        (30, 90, 30),
        (7, 30, 7),
        (6, 7, None),
        (-1, 7, 0),
        (-1, 0, None),
    ],
)
def test_an_end_is_told_once_at_each_step(days: int, told: int | None, step: int | None) -> None:
    one = kept(S.ACTIVE, not_after=NOW + timedelta(days=days), told_days=told)
    assert untold_step(one, now=NOW) == step
    assert untold_step(replace(one, state=S.PREVIOUS), now=NOW) is None


@pytest.mark.parametrize("names", [(), ("email:a@example.com",), ("uri:https://a.example",)])
def test_names_that_no_client_compares_are_none(names: tuple[str, ...]) -> None:
    with pytest.raises(ServerCertificateWithoutNames):
        required_names(names)


def test_names_that_cannot_be() -> None:
    with pytest.raises(CertificateRejected):
        required_names(("dns:a\0.example.com",))


def _published(monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(published_keys, "PUBLISHED_KEYS", {spki_digest(PAIR.public_key()): "somewhere"})
    return pem(own())


def _chain(*extensions: tuple[x509.ExtensionType, bool], **period: timedelta) -> bytes:
    ca = root(NOW)
    return pem(ca.certify(name(HOST), PAIR.public_key(), *extensions, **period), *ca.chain)


REFUSED: dict[str, tuple[type[SignerError], Callable[[], bytes]]] = {
    "no alternative names": (ServerCertificateWithoutNames, lambda: _chain((NO_CA, True))),
    "an e-mail address alone": (
        ServerCertificateWithoutNames,
        lambda: _chain((x509.SubjectAlternativeName([x509.RFC822Name("a@example.com")]), False)),
    ),
    "a NUL in a name": (
        ServerCertificateRejected,
        lambda: _chain((x509.SubjectAlternativeName([x509.DNSName("a.example\0.evil.example")]), False)),
    ),
    "expired": (ServerCertificateRejected, lambda: _chain(SAN, end=timedelta(seconds=-1))),
    "not valid yet": (ServerCertificateRejected, lambda: _chain(SAN, begin=timedelta(days=1))),
    "for clients alone": (
        ServerCertificateRejected,
        lambda: _chain(SAN, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)),
    ),
    "may not sign": (ServerCertificateRejected, lambda: _chain(SAN, (usage("key_encipherment"), True))),
    "its issuer is missing": (
        ServerCertificateRejected,
        lambda: pem(root(NOW).certify(name(HOST), PAIR.public_key(), SAN)),
    ),
    "another CA of the same name follows": (
        ServerCertificateRejected,
        lambda: pem(root(NOW).certify(name(HOST), PAIR.public_key(), SAN), *root(NOW).chain),
    ),
    "the issuer is no CA": (
        ServerCertificateRejected,
        lambda: pem((no := root(NOW, "Root", (NO_CA, True))).certify(name(HOST), PAIR.public_key(), SAN), *no.chain),
    ),
    "a private key is in it": (
        ServerCertificateRejected,
        lambda: pem(own()) + b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    ),
    "no PEM": (ServerCertificateRejected, lambda: own().public_bytes(Encoding.DER)),
    "nothing": (ServerCertificateRejected, lambda: b""),
    "larger than any": (ServerCertificateRejected, lambda: b"#" * (1 << 17)),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_not_taken_in(sentence: str) -> None:
    refusal, make = REFUSED[sentence]
    with pytest.raises(refusal):
        checked_server_chain(make(), now=NOW)


def test_a_key_that_everybody_has_is_refused_in_whatever_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _published(monkeypatch)
    with pytest.raises(ServerKeyPublished) as refused:
        checked_server_chain(content, now=NOW)
    assert refused.value.source == "somewhere"


# The point of the key in the demonstration's certificate for mender.local, which anybody can look up.
DEMO_POINT = bytes.fromhex(
    "04e57e3372e00fbf296d225e0ccda1e3f8e66690458693e7e0214b3a3585723b02c07c454bbc8695ed854b0ec7c5c7ce68b2"
    "719100f3b1f29c8baf340f046fcbbe"
)


def test_the_key_of_the_demonstration_is_one() -> None:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), DEMO_POINT)
    assert spki_digest(key) in PUBLISHED_KEYS
    ca = root(NOW)
    with pytest.raises(ServerKeyPublished):
        checked_server_chain(pem(ca.certify(name("mine"), key, SAN), *ca.chain), now=NOW)


REQUESTS: dict[str, bytes] = {
    "nothing": b"",
    "a certificate": pem(own()),
    "one that cannot be read": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "larger than any": b"#" * (1 << 15),
}


@pytest.mark.parametrize("sentence", REQUESTS)
def test_a_request_is_refused(sentence: str) -> None:
    with pytest.raises(ServerCertificateRejected):
        requested_key(REQUESTS[sentence])


WHOLE = pem(own(), own())
BUNDLES: dict[str, tuple[type[SignerError], bytes]] = {
    "cut within the second": (BundleCutOff, WHOLE[: len(WHOLE) * 3 // 4]),
    "cut within the first": (BundleCutOff, WHOLE[:200]),
    "cut within the last line": (BundleCutOff, WHOLE[:-3]),
    "empty": (BundleRejected, b""),
    "no certificates": (BundleRejected, b"\0" * 100),
    "one that cannot be read": (
        BundleRejected,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ),
    "too many": (BundleRejected, pem(own()) * 65),
    "larger than any": (BundleRejected, b"#" * (1 << 19)),
}


@pytest.mark.parametrize("sentence", BUNDLES)
def test_a_bundle_is_refused(sentence: str) -> None:
    refusal, content = BUNDLES[sentence]
    with pytest.raises(refusal):
        read_bundle(content)


def test_a_whole_bundle_is_read() -> None:
    assert len(read_bundle(WHOLE)) == 2


P = TrustProblem
SELF = own()
(OTHER,) = root(NOW, HOST, SAN).chain
NO_CA_SELF = own(SAN, (NO_CA, True))
TOP = root(NOW, "Top")
MIDDLE = TOP.below("Middle", (CA, True))
LEAF = TOP.certify(name(HOST), PAIR.public_key(), SAN)
DEEP = MIDDLE.certify(name(HOST), PAIR.public_key(), SAN)
BARE = own((NO_CA, True))
OLD = own(SAN, begin=timedelta(days=-9), end=timedelta(days=-1))
# What is shown, the bundle, the host, and what clients of OpenSSL and of Go say.
TRUST: dict[str, tuple[Shown, tuple[x509.Certificate, ...], str, P | None, P | None]] = {
    "itself": (Shown(leaf=SELF, issuers=()), (SELF,), HOST, None, None),
    "the new one with the bundle of both": (Shown(leaf=SELF, issuers=()), (OLD, SELF), HOST, None, None),
    "the new one with the old bundle": (Shown(leaf=SELF, issuers=()), (OTHER,), HOST, P.UNKNOWN, P.UNKNOWN),
    "no CA, as it says, itself": (Shown(leaf=NO_CA_SELF, issuers=()), (NO_CA_SELF,), HOST, None, None),
    "the same key and name, no CA": (Shown(leaf=SELF, issuers=()), (NO_CA_SELF,), HOST, P.UNKNOWN, P.UNKNOWN),
    "of a CA, with the CA": (Shown(leaf=LEAF, issuers=()), TOP.chain, HOST, None, None),
    "of a CA, with itself alone": (Shown(leaf=LEAF, issuers=()), (LEAF,), HOST, P.ISSUER_MISSING, None),
    "of an intermediate that is shown": (
        Shown(leaf=DEEP, issuers=(MIDDLE.chain[0],)), TOP.chain, HOST, None, None
    ),
    "of an intermediate that is not shown": (Shown(leaf=DEEP, issuers=()), TOP.chain, HOST, P.UNKNOWN, P.UNKNOWN),
    "of an intermediate that alone is trusted": (
        Shown(leaf=DEEP, issuers=()), (MIDDLE.chain[0],), HOST, P.UNKNOWN, None
    ),
    "no alternative names": (Shown(leaf=BARE, issuers=()), (BARE,), HOST, None, P.NO_NAMES),
    "for another host": (Shown(leaf=SELF, issuers=()), (SELF,), "other.example.com", P.OTHER_NAME, P.OTHER_NAME),
    "expired": (Shown(leaf=OLD, issuers=()), (OLD,), HOST, P.EXPIRED, P.EXPIRED),
}  # fmt: skip


@pytest.mark.parametrize("sentence", TRUST)
def test_who_believes_what(sentence: str, tmp_path: Path) -> None:
    shown, bundle, host, mender, go = TRUST[sentence]
    assert trust_problem(shown, bundle, ClientFamily.MENDER, host=host, now=NOW) is mender
    assert trust_problem(shown, bundle, ClientFamily.GO, host=host, now=NOW) is go
    # OpenSSL itself is the judge of the first family.
    (tmp_path / "bundle").write_bytes(pem(*bundle))
    (tmp_path / "leaf").write_bytes(pem(shown.leaf))
    (tmp_path / "issuers").write_bytes(pem(*shown.issuers))
    command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", "bundle", "-verify_hostname", host]
    if shown.issuers:
        command += ["-untrusted", "issuers"]
    judged = subprocess.run([*command, "leaf"], cwd=tmp_path, capture_output=True, check=False)
    assert (judged.returncode == 0) is (mender is None), judged.stderr

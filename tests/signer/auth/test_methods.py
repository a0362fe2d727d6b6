"""The one method: which credential is looked at, by whom, and that two are never weighed against each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from signer.auth.methods import Methods
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.identity import Identity, Role
from signer.errors import CredentialsAmbiguous, CredentialsMissing, CredentialsRejected, SignerError

PEER = Peer(kind=PeerKind.TCP, address="192.0.2.7")
CERTIFICATE = b"\x30\x03DER"
OF_A_DEVICE = b"\x30\x06DEVICE"
LONG = "a" * 100_000


def _identity(name: str) -> Identity:
    return Identity(name=name, role=Role.READER)


@dataclass(slots=True)
class Tokens:
    """Takes every token that begins alike, and tells what it was asked."""

    kind: str
    asked: list[str] = field(default_factory=list)
    forgotten: int = 0

    def named(self, token: str) -> str | None:
        return token[:5]

    def remembered(self, token: str) -> Identity | None:
        return _identity(f"{self.kind}:{token}") if token in self.asked else None

    def authenticate(self, token: str) -> Identity:
        self.asked.append(token)
        return _identity(f"{self.kind}:{token}")

    def confirm(self, identity: Identity) -> None:
        if not self.proved(identity):
            raise CredentialsRejected

    def proved(self, identity: Identity) -> bool:
        return identity.name.partition(":")[2] in self.asked

    def forget(self) -> None:
        self.forgotten += 1
        self.asked.clear()


@dataclass(slots=True)
class Certificates:
    """Takes one certificate, and refuses a header that tells of one."""

    asked: int = 0
    forgotten: int = 0

    def shown(self, credentials: Credentials) -> bool:
        if credentials.certificate_headers:
            raise CredentialsRejected
        return credentials.peer_certificate == CERTIFICATE

    def remembered(self, _credentials: Credentials) -> Identity | None:
        return _identity("mtls:ca:build") if self.asked else None

    def authenticate(self, _credentials: Credentials) -> Identity:
        self.asked += 1
        return _identity("mtls:ca:build")

    def confirm(self, _identity: Identity) -> None:
        if not self.asked:
            raise CredentialsRejected

    def proved(self, _identity: Identity) -> bool:
        return self.asked > 0

    def forget(self) -> None:
        self.forgotten += 1
        self.asked = 0


@dataclass(slots=True)
class Site:
    tokens: Tokens = field(default_factory=lambda: Tokens("api-token"))
    sessions: Tokens = field(default_factory=lambda: Tokens("ci"))
    certificates: Certificates = field(default_factory=Certificates)

    @property
    def methods(self) -> Methods:
        return Methods(
            bearer={"ast_": self.tokens, "asx_": self.sessions},
            certificates=self.certificates,
            kinds={"api-token": self.tokens, "ci": self.sessions, "mtls": self.certificates},
        )

    @property
    def untouched(self) -> bool:
        return not (self.tokens.asked or self.sessions.asked or self.certificates.asked)


@pytest.fixture
def site() -> Site:
    return Site()


def shows(
    authorization: str | None = None, certificate: bytes | None = None, headers: tuple[tuple[str, str], ...] = ()
) -> Credentials:
    return Credentials(
        peer=PEER, authorization=authorization, peer_certificate=certificate, certificate_headers=headers
    )


TAKEN = {
    "an API token": (shows("Bearer ast_1"), "api-token:ast_1"),
    "the scheme in lower case": (shows("bearer ast_1"), "api-token:ast_1"),
    "the scheme in upper case": (shows("BEARER ast_1"), "api-token:ast_1"),
    "spaces around the token": (shows("Bearer   ast_1\t "), "api-token:ast_1"),
    "a session": (shows("Bearer asx_1"), "ci:asx_1"),
    "a certificate": (shows(None, CERTIFICATE), "mtls:ca:build"),
    "a token beside a certificate that makes no identity": (shows("Bearer ast_1", OF_A_DEVICE), "api-token:ast_1"),
}

REFUSED: dict[str, tuple[Credentials, type[SignerError]]] = {
    "nothing at all": (shows(), CredentialsMissing),
    "a device's certificate alone": (shows(None, OF_A_DEVICE), CredentialsMissing),
    "a token and a certificate": (shows("Bearer ast_1", CERTIFICATE), CredentialsAmbiguous),
    "a session and a certificate": (shows("Bearer asx_1", CERTIFICATE), CredentialsAmbiguous),
    "a certificate, and a token that is none": (shows("Bearer nothing", CERTIFICATE), CredentialsAmbiguous),
    "a certificate, and an empty field": (shows("", CERTIFICATE), CredentialsAmbiguous),
    "a header that tells of a certificate": (shows(None, None, (("client-cert", ":AA==:"),)), CredentialsRejected),
    "such a header beside a good token": (
        shows("Bearer ast_1", None, (("client-cert", ":AA==:"),)),
        CredentialsRejected,
    ),
    "an empty field": (shows(""), CredentialsRejected),
    "the scheme alone": (shows("Bearer"), CredentialsRejected),
    "the scheme and a space": (shows("Bearer "), CredentialsRejected),
    "no scheme": (shows("ast_1"), CredentialsRejected),
    "another scheme": (shows("Basic ast_1"), CredentialsRejected),
    "a scheme that begins alike": (shows("Bearers ast_1"), CredentialsRejected),
    "a scheme parted by a tab": (shows("Bearer\tast_1"), CredentialsRejected),
    "a prefix of nobody": (shows("Bearer tok_1"), CredentialsRejected),
    "a prefix in upper case": (shows("Bearer AST_1"), CredentialsRejected),
    "two tokens with a comma": (shows("Bearer ast_1, Bearer ast_1"), CredentialsRejected),
    "a token and a session with a comma": (shows("Bearer ast_1,asx_1"), CredentialsRejected),
    "a comma at the end": (shows("Bearer ast_1,"), CredentialsRejected),
    "a very long one": (shows(f"Bearer {LONG}"), CredentialsRejected),
    "a lone surrogate": (shows("Bearer \ud800"), CredentialsRejected),
}


@pytest.mark.parametrize("sentence", TAKEN)
def test_one_credential_is_read_by_its_method(site: Site, sentence: str) -> None:
    credentials, name = TAKEN[sentence]
    assert site.methods.remembered(credentials) is None
    identity = site.methods.authenticate(credentials)
    assert identity.name == name
    assert site.methods.remembered(credentials) == identity
    assert site.methods.proved(identity)
    site.methods.confirm(identity)


@pytest.mark.parametrize("sentence", REFUSED)
def test_everything_else_is_refused_and_read_by_nobody(site: Site, sentence: str) -> None:
    credentials, error = REFUSED[sentence]
    with pytest.raises(error) as refusal:
        site.methods.authenticate(credentials)
    assert refusal.value.facts == {}
    assert site.methods.remembered(credentials) is None
    assert site.untouched


def test_what_is_remembered_of_one_credential_does_not_help_two(site: Site) -> None:
    site.methods.authenticate(shows("Bearer ast_1"))
    site.methods.authenticate(shows(None, CERTIFICATE))
    both = shows("Bearer ast_1", CERTIFICATE)
    assert site.methods.remembered(both) is None
    with pytest.raises(CredentialsAmbiguous):
        site.methods.authenticate(both)


def test_without_a_method_for_certificates_one_is_not_looked_at(site: Site) -> None:
    methods = Methods(bearer={"ast_": site.tokens}, kinds={"api-token": site.tokens})
    assert methods.authenticate(shows("Bearer ast_1", CERTIFICATE)).name == "api-token:ast_1"
    with pytest.raises(CredentialsMissing):
        methods.authenticate(shows(None, CERTIFICATE))


NAMED = {
    "an API token": (shows("Bearer ast_123"), "ast_1"),
    "a session": (shows("Bearer asx_123"), "asx_1"),
    "nothing": (shows(), None),
    "a certificate": (shows(None, CERTIFICATE), None),
    "a token that nobody reads": (shows("Bearer tok_123"), None),
    "two tokens": (shows("Bearer ast_123,ast_456"), None),
}


@pytest.mark.parametrize("sentence", NAMED)
def test_which_credential_is_claimed_is_told_before_it_is_read(site: Site, sentence: str) -> None:
    credentials, name = NAMED[sentence]
    assert site.methods.named(credentials) == name
    assert site.untouched


class TestIdentities:
    def test_each_is_confirmed_by_the_method_that_made_it(self, site: Site) -> None:
        site.methods.authenticate(shows("Bearer ast_1"))
        with pytest.raises(CredentialsRejected):
            site.methods.confirm(_identity("ci:ast_1"))
        assert not site.methods.proved(_identity("ci:ast_1"))

    @pytest.mark.parametrize("name", ["", "ast_1", "API-TOKEN:ast_1", "api-tokens:ast_1", "user:somebody", ":ast_1"])
    def test_one_that_no_method_makes_is_never_proved(self, site: Site, name: str) -> None:
        site.methods.authenticate(shows("Bearer ast_1"))
        assert not site.methods.proved(_identity(name))
        with pytest.raises(CredentialsRejected):
            site.methods.confirm(_identity(name))

    def test_all_methods_forget(self, site: Site) -> None:
        identities = [site.methods.authenticate(credentials) for credentials, _ in TAKEN.values()]
        site.methods.forget()
        assert (site.tokens.forgotten, site.sessions.forgotten, site.certificates.forgotten) == (1, 1, 1)
        assert not any(site.methods.proved(identity) for identity in identities)

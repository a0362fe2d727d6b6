"""Which certificate a process shows: what is on record, what somebody put in the files, or what it still can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from signer.errors import ConfigurationInvalid
from signer.server_certificate_bootstrap import configured_server_certificates, take_own_files
from signer.services.server_certificates import ServerCertificateRequest
from signer.shown_certificate import shown_certificate
from signer.storage.database import Database
from signer.storage.server_certificate_store import SqlServerCertificates
from tests.signer.certificates.authority import pem, root
from tests.support import house
from tests.support.clock import ManualClock
from tests.support.databases import Opener

NAMES = (x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)


@dataclass(frozen=True, slots=True)
class Machine:
    """An installation whose certificate is on record, with a next one that was switched to."""

    database: Database
    clock: ManualClock
    directory: Path

    @property
    def settings(self) -> object:
        plain = house.settings("sqlite:///unused", self.directory, ("t",))
        server = plain.server.model_copy(
            update={"certificate": self.directory / "cert.crt", "private_key": self.directory / "private.key"}
        )
        return plain.model_copy(
            update={"server": server, "server_certificates": plain.server_certificates.below(self.directory)}
        )

    def certify(self, file: str = "cert.crt") -> None:
        """Another certificate in the file, of a key that is nowhere."""
        (self.directory / file).write_bytes(pem(root(self.clock(), "Other", NAMES).chain[0]))

    def shown(self) -> str | None:
        store = SqlServerCertificates(database=self.database, clock=self.clock)
        found = shown_certificate(self.settings, store)  # type: ignore[arg-type]
        if found is None:
            return None
        return next(
            each.state.value for each in store.of("server").certificates if each.fingerprint == found.fingerprint
        )

    def forget(self, state: str) -> None:
        """Take away the private half of the certificate in this state."""
        for each in SqlServerCertificates(database=self.database, clock=self.clock).of("server").certificates:
            if each.state.value == state:
                (self.directory / "server-certificates" / f"server-{each.spki_sha256[:16]}.key").unlink()


@pytest.fixture
def machine(sqlite_url: str, tmp_path: Path) -> Machine:
    clock = ManualClock()
    database = Opener(sqlite_url)()
    made = Machine(database, clock, tmp_path)
    kept = configured_server_certificates(made.settings, database, clock)  # type: ignore[arg-type]
    for _ in range(2):
        kept.create("server", ServerCertificateRequest(unverified_names=("dns:a.example",)), actor="tests")
        kept.switch("server", force=True, reason=None, actor="tests")
        clock.advance(days=1)
    # The configured file is one that the record has, as ``init`` leaves it.
    known = SqlServerCertificates(database=database, clock=clock).of("server").certificates
    (previous,) = (each for each in known if each.state.value == "previous")
    (tmp_path / "cert.crt").write_text(previous.served_pem)
    return made


def _nothing(_machine: Machine) -> None:
    pass


ROWS: dict[str, tuple[Callable[[Machine], object], str | None]] = {
    "the active one": (_nothing, "active"),
    "what somebody put into the files": (lambda machine: machine.certify(), None),
    "the previous one, where the private half of the active one is elsewhere": (
        lambda machine: machine.forget("active"),
        "previous",
    ),
    "the files, where this machine has no private half": (
        lambda machine: (machine.forget("active"), machine.forget("previous")),
        None,
    ),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_what_is_shown(machine: Machine, sentence: str) -> None:
    change, expected = ROWS[sentence]
    change(machine)
    assert machine.shown() == expected


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "no certificate": lambda file: file.write_text("-----BEGIN CERTIFICATE-----\n"),
    "not there": lambda file: file.unlink(),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_a_configured_file_is_refused_that_is(machine: Machine, sentence: str) -> None:
    UNUSABLE[sentence](machine.directory / "cert.crt")
    with pytest.raises(ConfigurationInvalid, match="certificate and private key cannot be used"):
        machine.shown()


def test_an_upgrade_takes_the_file_in_once(sqlite_url: str, tmp_path: Path) -> None:
    made = Machine(Opener(sqlite_url)(), ManualClock(), tmp_path)
    made.certify()
    taken = take_own_files(made.settings, made.database, made.clock, actor="tests")  # type: ignore[arg-type]
    assert taken is not None
    assert (taken.state.value, taken.private_half.value) == ("active", "outside")
    assert take_own_files(made.settings, made.database, made.clock, actor="tests") is None  # type: ignore[arg-type]

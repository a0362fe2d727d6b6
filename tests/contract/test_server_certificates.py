"""Certificates of servers on every database: each step once, on record, and missed where somebody plants one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, update

from signer.domain.events import Event, EventType
from signer.errors import AccessTampered, InvalidName, ReasonInvalid, SignerError
from signer.errors.server_certificates import (
    NextServerCertificateExists,
    NoNextServerCertificate,
    ServerBundleTooNew,
    ServerCertificateNotFound,
    ServerCertificateOnRecord,
    ServerCertificateRejected,
    ServerCertificatesChanged,
    ServerCertificateWithoutNames,
    ServerPrivateKeyMissing,
    ServerPrivateKeyUnwritable,
)
from signer.server_certificate_bootstrap import server_certificates as made
from signer.server_certificate_settings import ServerCertificateSettings
from signer.server_key_files import ServerKeyFiles
from signer.services.server_certificates import ServerCertificateAdministration, ServerCertificateRequest
from signer.shown_certificate import CertificateWatch
from signer.storage.access import access_digest
from signer.storage.database import Database
from signer.storage.server_certificate_store import SqlServerCertificates
from signer.storage.server_certificate_tables import server_certificates
from tests.signer.certificates.authority import name, pem, root
from tests.support.clock import ManualClock
from tests.support.databases import Opener

Kept = ServerCertificateAdministration
NAMED = ServerCertificateRequest(unverified_names=("dns:updates.example.com",))
AGAIN = ServerCertificateRequest()


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlServerCertificates:
    return SqlServerCertificates(database=database, clock=clock)


@pytest.fixture
def kept(database: Database, clock: ManualClock, tmp_path: Path) -> Kept:
    settings = ServerCertificateSettings(directory=tmp_path / "keys")  # type: ignore[call-arg]
    return made(settings, database, clock, private_key=None)


def create(kept: Kept, request: ServerCertificateRequest = NAMED, server: str = "server") -> str:
    return kept.create(server, request, actor="tests").fingerprint


def switch(kept: Kept, *, force: bool = False) -> str:
    return kept.switch("server", force=force, reason=None, actor="tests").fingerprint


def states(kept: Kept) -> list[str]:
    return [each.state.value for each in kept.server("server").certificates]


def test_a_whole_life(kept: Kept, clock: ManualClock) -> None:
    first = create(kept)
    assert switch(kept) == first, "nobody has to learn of a first one"
    clock.advance(days=700)
    second = create(kept, AGAIN)
    assert states(kept) == ["active", "next"]
    assert kept.server("server").active != kept.server("server").next
    with pytest.raises(ServerBundleTooNew):
        switch(kept)
    assert kept.bundle("server", actor="tests").count("BEGIN CERTIFICATE") == 2
    clock.advance(days=13, hours=23)
    with pytest.raises(ServerBundleTooNew):
        switch(kept)
    # The first time counts.
    kept.bundle("server", actor="somebody else")
    clock.advance(hours=1)
    assert switch(kept) == second
    assert states(kept) == ["previous", "active"]
    kept.retire("server", first[:12], actor="tests")
    assert states(kept) == ["retired", "active"]
    assert kept.bundle("server", actor="tests").count("BEGIN CERTIFICATE") == 1


def test_the_next_one_names_what_the_active_one_names_and_begins_before_it_is_made(
    kept: Kept, clock: ManualClock
) -> None:
    create(kept)
    switch(kept)
    create(kept, AGAIN)
    following = kept.server("server").next
    assert following is not None
    said = x509.load_pem_x509_certificate(following.pem.encode())
    names = said.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["updates.example.com"]
    assert (clock().replace(microsecond=0) - said.not_valid_before_utc).days == 1


def test_a_private_half_is_on_the_disk_and_for_its_owner_alone(kept: Kept, tmp_path: Path) -> None:
    create(kept)
    (file,) = (tmp_path / "keys").iterdir()
    assert (file.stat().st_mode & 0o7777, file.parent.stat().st_mode & 0o7777) == (0o600, 0o700)
    following = kept.server("server").next
    assert following is not None
    assert ServerKeyFiles(directory=tmp_path / "keys").find("server", following.spki_sha256) == file
    assert b"PRIVATE" not in following.pem.encode()


def test_a_private_half_that_cannot_be_written_leaves_no_certificate(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(ServerPrivateKeyUnwritable):
        create(kept)
    with pytest.raises(ServerCertificateNotFound):
        kept.server("server")


def test_what_is_refused_leaves_no_private_half(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(SignerError):
        create(kept, ServerCertificateRequest(unverified_names=("dns:a.example",), days=0))
    assert list((tmp_path / "keys").iterdir()) == []


def _elsewhere(clock: ManualClock, key: ec.EllipticCurvePublicKey | None = None) -> bytes:
    ca = root(clock())
    names = x509.SubjectAlternativeName([x509.DNSName("updates.example.com")])
    public_key = key or ec.generate_private_key(ec.SECP256R1()).public_key()
    return pem(ca.certify(name("server"), public_key, (names, False)), *ca.chain)


def test_a_request_comes_back_with_a_certificate(kept: Kept, clock: ManualClock) -> None:
    asked = x509.load_pem_x509_csr(kept.request("server", NAMED, actor="tests").encode())
    assert asked.is_signature_valid
    key = asked.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    taken = kept.take("server", _elsewhere(clock, key), actor="tests")
    assert (taken.private_half.value, switch(kept)) == ("file", taken.fingerprint)
    assert kept.bundle("server", actor="tests") == taken.chain_pem


def test_only_the_certificate_of_a_pair_that_is_elsewhere_is_kept(kept: Kept, clock: ManualClock) -> None:
    taken = kept.take("gateway", _elsewhere(clock), actor="tests")
    assert taken.private_half.value == "outside"
    assert kept.switch("gateway", force=False, reason=None, actor="tests").fingerprint == taken.fingerprint


def _imported_twice(kept: Kept, clock: ManualClock) -> None:
    content = _elsewhere(clock)
    taken = kept.take("gateway", content, actor="tests")
    kept.retire("gateway", taken.fingerprint, actor="tests")
    kept.take("gateway", content, actor="tests")


def _without_key(kept: Kept, clock: ManualClock) -> None:
    kept.take("server", _elsewhere(clock), actor="tests")
    switch(kept, force=True)


REFUSED: dict[str, tuple[type[SignerError], Callable[[Kept, ManualClock], object]]] = {
    "a second next one": (NextServerCertificateExists, lambda kept, _: (create(kept), create(kept))),
    "a request while there is a next one": (
        NextServerCertificateExists,
        lambda kept, _: (create(kept), kept.request("server", NAMED, actor="tests")),
    ),
    "an import while there is a next one": (
        NextServerCertificateExists,
        lambda kept, clock: (create(kept), kept.take("server", _elsewhere(clock), actor="tests")),
    ),
    "no names, and none to go by": (ServerCertificateWithoutNames, lambda kept, _: create(kept, AGAIN)),
    "a name that is none": (InvalidName, lambda kept, _: create(kept, server="../etc")),
    "an import for a name that is none": (
        InvalidName,
        lambda kept, clock: kept.take("../etc", _elsewhere(clock), actor="tests"),
    ),
    "nothing to switch to": (ServerCertificateNotFound, lambda kept, _: switch(kept)),
    "no next one to switch to": (NoNextServerCertificate, lambda kept, _: (create(kept), switch(kept), switch(kept))),
    "the same one again": (ServerCertificateOnRecord, _imported_twice),
    "what this machine could not show": (ServerPrivateKeyMissing, _without_key),
    "a CA that cannot be asked": (
        ServerCertificateRejected,
        lambda kept, _: create(kept, ServerCertificateRequest(unverified_names=("dns:a.example",), ca="servers")),
    ),
    "a request without a CA": (
        ServerCertificateRejected,
        lambda kept, _: create(
            kept, ServerCertificateRequest(unverified_names=("dns:a.example",), unverified_request=b"x")
        ),
    ),
    "an empty reason": (
        ReasonInvalid,
        lambda kept, _: (create(kept), kept.switch("server", force=True, reason=" ", actor="tests")),
    ),
    "the bundle of nobody": (ServerCertificateNotFound, lambda kept, _: kept.bundle("nobody", actor="tests")),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused(kept: Kept, clock: ManualClock, sentence: str) -> None:
    refusal, call = REFUSED[sentence]
    with pytest.raises(refusal):
        call(kept, clock)


def test_two_that_switch_at_once_switch_once(kept: Kept, store: SqlServerCertificates) -> None:
    create(kept)
    seen = kept.server("server")
    assert seen.next is not None
    switch(kept)
    with pytest.raises((ServerCertificatesChanged, NoNextServerCertificate)):
        switch(kept)
    with pytest.raises(ServerCertificatesChanged):
        store.retire(seen.next, _event())


def _event() -> Event:
    return Event(type=EventType.SERVER_CERTIFICATE_RETIRED, actor="tests", key=None, version=None, before={}, after={})


TAMPERED = {
    "one that was taken away": lambda: delete(server_certificates),
    "one that was made another": lambda: update(server_certificates).values(pem="x"),
    "one that was switched to": lambda: update(server_certificates).values(state="active"),
    "a bundle that was never out": lambda: update(server_certificates).values(published_at=None),
}


@pytest.mark.parametrize("sentence", TAMPERED)
def test_who_writes_past_the_log_gets_nothing_into_a_bundle(kept: Kept, database: Database, sentence: str) -> None:
    create(kept)
    kept.bundle("server", actor="tests")
    with database.writing() as connection:
        connection.execute(TAMPERED[sentence]())
    for call in (lambda: kept.bundle("server", actor="tests"), lambda: switch(kept, force=True)):
        with pytest.raises(AccessTampered):
            call()


def test_a_table_without_rows_changes_no_digest(kept: Kept, database: Database) -> None:
    with database.reading() as connection:
        before = access_digest(connection)
    create(kept)
    with database.writing() as connection:
        assert access_digest(connection) != before
        connection.execute(delete(server_certificates))
        assert access_digest(connection) == before


def test_a_worker_is_told_of_each_switch_and_the_log_once_of_each_step(
    kept: Kept, store: SqlServerCertificates, clock: ManualClock
) -> None:
    changes: list[object] = []
    watches = [
        CertificateWatch(store=store, clock=clock, changed=lambda: changes.append(1), look_seconds=3600.0)
        for _ in range(2)
    ]
    create(kept)
    switch(kept)
    for watch in watches:
        watch.look()
        watch.look()
    assert len(changes) == 2, "each once"
    clock.advance(days=825 - 30)
    for watch in watches:
        watch.look()
    active = kept.server("server").active
    assert active is not None
    assert active.told_days == 30
    assert watches[0].ends == {("server", "active"): active.not_after}
    create(kept, AGAIN)
    switch(kept, force=True)
    watches[0].look()
    assert len(changes) == 3

"""Revoked certificates of clients on every database: told once, found at once, missed where somebody removes one."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from signer.errors import AccessTampered, ClientCaNotFound, ReasonInvalid, SerialNumberInvalid, SignerError
from signer.services.client_certificates import ClientCertificateAdministration
from signer.storage.access import access_digest, access_revision
from signer.storage.certificate_tables import revoked_certificates
from signer.storage.database import Database
from signer.storage.revoked_certificate_store import SqlRevokedCertificates
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener

Listed = ClientCertificateAdministration


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlRevokedCertificates:
    return SqlRevokedCertificates(database=database, clock=clock)


@pytest.fixture
def certificates(store: SqlRevokedCertificates) -> Listed:
    return Listed(store=store, cas=["builds", "devices"])


def revoke(certificates: Listed, ca: str = "builds", serial: str = "a3f", reason: str = "stolen") -> bool:
    return certificates.revoke(ca, serial, reason=reason, actor="tests")


def test_a_certificate_is_revoked_once_with_who_and_why(
    certificates: Listed, store: SqlRevokedCertificates, database: Database
) -> None:
    with database.reading() as connection:
        before = access_revision(connection), access_digest(connection)
    assert not store.is_revoked("builds", "a3f")
    assert revoke(certificates)
    assert store.is_revoked("builds", "a3f")
    assert not revoke(certificates, reason="again")
    (listed,) = certificates.revoked()
    assert (listed.ca, listed.serial, listed.reason, listed.actor) == ("builds", "a3f", "stolen", "tests")
    assert listed.revoked_at == START
    with database.reading() as connection:
        assert access_revision(connection) == before[0] + 1
        assert access_digest(connection) != before[1]


SAME = ["a3f", "A3F", "0a3f", "0a:3f", "0A:3F", "a:3f", "0x0A3F", " a3f\n", "00:00:0a:3f"]


@pytest.mark.parametrize("written", SAME)
def test_a_serial_number_has_several_spellings(
    certificates: Listed, store: SqlRevokedCertificates, written: str
) -> None:
    assert revoke(certificates, serial=written)
    assert store.is_revoked("builds", "a3f")


OTHERS = {
    "another serial number": ("builds", "a3f0"),
    "the same of another CA": ("devices", "a3f"),
    "a part of it": ("builds", "3f"),
    "in capitals, which no certificate is looked up by": ("builds", "A3F"),
    "what would match": ("builds", "%"),
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_no_other_is_revoked(certificates: Listed, store: SqlRevokedCertificates, sentence: str) -> None:
    revoke(certificates)
    assert not store.is_revoked(*OTHERS[sentence])


REFUSED: dict[str, tuple[dict[str, str], type[SignerError]]] = {
    "of a CA that is not configured": ({"ca": "build"}, ClientCaNotFound),
    "of a CA in other letters": ({"ca": "Builds"}, ClientCaNotFound),
    "of no CA": ({"ca": ""}, ClientCaNotFound),
    "without a serial number": ({"serial": ""}, SerialNumberInvalid),
    "by zero": ({"serial": "0"}, SerialNumberInvalid),
    "by a number that is not hex": ({"serial": "a3g"}, SerialNumberInvalid),
    "by a negative number": ({"serial": "-a3f"}, SerialNumberInvalid),
    "by colons in other places": ({"serial": "a3f:0"}, SerialNumberInvalid),
    "by two numbers": ({"serial": "a3 f0"}, SerialNumberInvalid),
    "by digits that are not ASCII": ({"serial": "\u0663"}, SerialNumberInvalid),
    "by a number that is too long": ({"serial": "f" * 65}, SerialNumberInvalid),
    "without a reason": ({"reason": "  "}, ReasonInvalid),
    "with a reason of two lines": ({"reason": "a\nb"}, ReasonInvalid),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_nothing_is_revoked(certificates: Listed, sentence: str) -> None:
    changes, refusal = REFUSED[sentence]
    with pytest.raises(refusal):
        revoke(certificates, **changes)
    assert certificates.revoked() == ()


TAMPERED = {
    "one that was taken off the list": lambda: delete(revoked_certificates),
    "one that was made another": lambda: update(revoked_certificates).values(serial="b"),
    "one that was put there": lambda: insert(revoked_certificates).values(
        ca="builds", serial="b", revoked_at=START, actor="x", reason="x"
    ),
    "a reason that was changed": lambda: update(revoked_certificates).values(reason="x"),
}


@pytest.mark.parametrize("sentence", TAMPERED)
def test_who_writes_the_list_past_the_log_is_found_out(certificates: Listed, database: Database, sentence: str) -> None:
    revoke(certificates)
    with database.writing() as connection:
        connection.execute(TAMPERED[sentence]())
    with pytest.raises(AccessTampered):
        revoke(certificates, serial="c")


def test_a_list_without_rows_changes_no_digest(database: Database) -> None:
    """A log that was begun before there was a list goes on."""
    with database.writing() as connection:
        before = access_digest(connection)
        connection.execute(TAMPERED["one that was put there"]())
        assert access_digest(connection) != before
        connection.execute(delete(revoked_certificates))
        assert access_digest(connection) == before

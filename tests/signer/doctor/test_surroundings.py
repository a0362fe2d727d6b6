"""What doctor says of broken files: configuration, secrets, database, clock, certificate, spool."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from signer.bootstrap import utc_now
from signer.doctor import Severity, Verdict
from signer.doctor.files import LEAST_BYTES, judged_disk, judged_space
from signer.spool import RESERVE_BYTES
from tests.signer.doctor.certificates import write_certificate, write_other_key
from tests.signer.doctor.patient import Patient, findings
from tests.signer.doctor.rows import Row, check_row
from tests.support.rows import slow_but

FAILED, WARNING = Severity.FAILED, Severity.WARNING


def mode(name: str, bits: int) -> Callable[[Patient], None]:
    """Change the mode of a file of the installation."""
    return lambda patient: (patient.directory / name).chmod(bits)


def remove(*names: str) -> Callable[[Patient], None]:
    """Remove files of the installation."""

    def breaks(patient: Patient) -> None:
        for name in names:
            (patient.directory / name).unlink()

    return breaks


def write(name: str, content: bytes) -> Callable[[Patient], object]:
    """Write another content into a file of the installation."""
    return lambda patient: (patient.directory / name).write_bytes(content)


def certificate(**options: object) -> Callable[[Patient], None]:
    """Another certificate for the same private key."""
    return lambda patient: write_certificate(patient.directory, **options)  # type: ignore[arg-type]


def nothing(_patient: Patient) -> None:
    """The installation is whole; its surroundings are not."""


def at(moment: datetime) -> Callable[[], dict[str, object]]:
    """The clock stands at ``moment``."""
    return lambda: {"clock": lambda: moment}


def damage_a_page(patient: Patient) -> None:
    """Overwrite the middle of the database's file, as a failing disk does."""
    size = patient.database.stat().st_size
    with patient.database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def put_a_file_in_its_place(patient: Patient) -> None:
    """Where a directory is expected, a file cannot be written into, whoever tries."""
    spool = patient.directory / "spool"
    for lock in spool.iterdir():
        lock.unlink()
    spool.rmdir()
    spool.write_text("")


SECRETS = {
    "a PIN file that everybody can read": Row(
        breaks=mode("token.pin", 0o644),
        check="secrets",
        severity=FAILED,
        says="token.pin has mode 0644",
        hint="chmod 600",
    ),
    "an API token that the group can read": Row(
        breaks=mode("admin.token", 0o640), check="secrets", severity=FAILED, says="admin.token has mode 0640"
    ),
    "a private key that everybody can read": Row(
        breaks=mode("private.key", 0o604), check="secrets", severity=FAILED, says="private.key has mode 0604"
    ),
    "a database that the group can write": Row(
        breaks=mode("artifact-signer.sqlite", 0o620),
        check="secrets",
        severity=FAILED,
        says="artifact-signer.sqlite has mode 0620",
    ),
    "a security officer's PIN that everybody can read": Row(
        breaks=mode("token-officer.pin", 0o644), check="secrets", severity=FAILED, says="token-officer.pin has mode"
    ),
    "a directory in which others can replace secrets": Row(
        breaks=lambda patient: patient.directory.chmod(0o777),
        check="secrets",
        severity=FAILED,
        says="others can replace the secrets in it",
        hint="chmod 700",
    ),
    "a token directory that others can write": Row(
        breaks=mode("tokens", 0o770), check="secrets", severity=FAILED, says="tokens has mode 0770"
    ),
    "a PIN file that is not there": Row(
        breaks=remove("token.pin"), check="secrets", severity=FAILED, says="token.pin cannot be looked at: no such file"
    ),
    "secrets of another user": Row(
        breaks=nothing,
        check="secrets",
        severity=WARNING,
        says="token.pin belongs to user",
        surroundings=lambda: {"user_id": os.geteuid() + 1},
    ),
}

DATABASE = {
    "no database file": Row(
        breaks=remove("artifact-signer.sqlite"), check="database", severity=FAILED, says="there is no file"
    ),
    "a database file without tables": Row(
        breaks=write("artifact-signer.sqlite", b""),
        check="database",
        severity=FAILED,
        says="the database is at revision none, this release needs",
        hint="database upgrade",
    ),
    "a database of an older release": Row(
        breaks=lambda patient: patient.sql("UPDATE alembic_version SET version_num = '0000'"),
        check="database",
        severity=FAILED,
        says="the database is at revision 0000, this release needs",
    ),
    "a file that is no database": Row(
        breaks=write("artifact-signer.sqlite", b"no database " * 1000),
        check="database",
        severity=FAILED,
        says="the database cannot be used: file is not a database",
        hint="restore the database",
    ),
    "a database with damaged pages": Row(
        breaks=damage_a_page, check="database", severity=FAILED, says="the database cannot be used: "
    ),
    "a database whose password cannot be read": Row(
        breaks=lambda patient: patient.edit("[database]\n", '[database]\npassword_file = "missing"\n'),
        check="database",
        severity=FAILED,
        says="the database cannot be opened: database.password_file cannot be read",
    ),
    "a database in a directory that is not there": Row(
        breaks=lambda patient: patient.edit("sqlite:///artifact-signer.sqlite", "sqlite:///elsewhere/signer.sqlite"),
        check="database",
        severity=FAILED,
        says="there is no file",
    ),
}

CLOCK = {
    "a clock before the certificate begins": Row(
        breaks=certificate(starts=timedelta(days=1)),
        check="clock",
        severity=FAILED,
        says="before the TLS certificate begins to be valid",
    ),
    "records that cannot be read": Row(
        breaks=remove("artifact-signer.sqlite"),
        check="clock",
        severity=WARNING,
        says="the clock cannot be compared with the records",
    ),
}

TLS = {
    "an expired certificate": Row(
        breaks=certificate(ends=timedelta(days=-1)), check="tls", severity=FAILED, says="expired on"
    ),
    "a certificate that expires next week": Row(
        breaks=certificate(ends=timedelta(days=7)), check="tls", severity=WARNING, says="expires on"
    ),
    "a certificate for another host": Row(
        breaks=certificate(names=[x509.DNSName("signer.example")]),
        check="tls",
        severity=WARNING,
        says="the TLS certificate does not name 127.0.0.1",
    ),
    "a certificate that does not name what the service calls itself": Row(
        breaks=lambda patient: patient.edit('url = "https://127.0.0.1', 'url = "https://signer.example'),
        check="tls",
        severity=WARNING,
        says="the TLS certificate does not name signer.example, which server.url calls the service",
    ),
    "a certificate for no host": Row(
        breaks=certificate(names=[]), check="tls", severity=FAILED, says="no alternative names"
    ),
    "a private key that is not the certificate's": Row(
        breaks=lambda patient: write_other_key(patient.directory),
        check="tls",
        severity=FAILED,
        says="do not belong together",
    ),
    "an encrypted private key": Row(
        breaks=lambda patient: write_other_key(patient.directory, passphrase=b"passphrase"),
        check="tls",
        severity=FAILED,
        says="private.key is encrypted",
    ),
    "a private key that is none": Row(
        breaks=write("private.key", b"no key"), check="tls", severity=FAILED, says="holds no private key"
    ),
    "no private key": Row(
        breaks=remove("private.key"), check="tls", severity=FAILED, says="private.key cannot be read"
    ),
    "a certificate that is none": Row(
        breaks=write("cert.crt", b"no certificate"), check="tls", severity=FAILED, says="holds no certificate"
    ),
    "neither certificate nor key": Row(
        breaks=remove("cert.crt", "private.key"), check="tls", severity=FAILED, says="holds no certificate"
    ),
}

SPOOL = {
    "a spool that is no directory": Row(
        breaks=put_a_file_in_its_place, check="spool", severity=FAILED, says="cannot be written: not a directory"
    ),
    "a full disk": Row(
        breaks=nothing,
        check="spool",
        severity=FAILED,
        says="no artifact fits",
        surroundings=lambda: {"free_bytes": lambda _directory: RESERVE_BYTES - 1},
    ),
    "a disk smaller than the largest artifact": Row(
        breaks=nothing,
        check="spool",
        severity=WARNING,
        says="an artifact may have",
        environment={"ARTIFACT_SIGNER_LIMITS_ARTIFACT_BYTES": str(1 << 60)},
    ),
}

DISKS = {
    "a disk without space for the database": Row(
        breaks=nothing,
        check="disks",
        severity=FAILED,
        says="the database in",
        surroundings=lambda: {"free_bytes": lambda _directory: LEAST_BYTES - 1},
    ),
    "a disk without space for the tokens of SoftHSM": Row(
        breaks=nothing,
        check="disks",
        severity=FAILED,
        says="SoftHSM's tokens in",
        hint="is lost",
        surroundings=lambda: {"free_bytes": lambda _directory: LEAST_BYTES - 1},
    ),
    "a disk that is nearly full": Row(
        breaks=nothing,
        check="disks",
        severity=WARNING,
        says="the database in",
        surroundings=lambda: {"free_bytes": lambda _directory: RESERVE_BYTES - 1},
    ),
}

ROWS = {**DISKS, **SECRETS, **DATABASE, **CLOCK, **TLS, **SPOOL}


@pytest.mark.parametrize(
    "sentence",
    slow_but(
        {
            "a disk without space for the database",
            "a PIN file that everybody can read",
            "a directory in which others can replace secrets",
            "no database file",
            "a database of an older release",
            "a database with damaged pages",
            "a clock before the certificate begins",
            "an expired certificate",
            "a private key that is not the certificate's",
            "a spool that is no directory",
        },
        ROWS,
    ),
)
def test_doctor_names(sentence: str, patient: Patient) -> None:
    report = check_row(patient, ROWS[sentence])
    if ROWS[sentence].severity is FAILED:
        assert report.exit_status == 1


def test_a_database_that_is_not_there_is_not_made(patient: Patient) -> None:
    patient.database.unlink()
    patient.examine()
    assert not patient.database.exists()


def test_a_database_that_somebody_keeps_locked_is_given_up_in_time(patient: Patient) -> None:
    keeper = sqlite3.connect(patient.database)
    try:
        keeper.execute("PRAGMA locking_mode=EXCLUSIVE")
        keeper.execute("BEGIN EXCLUSIVE")
        report = patient.examine(environment={"ARTIFACT_SIGNER_DATABASE_TIMEOUT": "0.1"})
    finally:
        keeper.close()
    (finding,) = findings(report, "database")
    assert finding.severity is FAILED
    assert "does not answer in time" in finding.sentence


def test_a_clock_that_is_behind_by_less_than_the_tolerance_is_in_order(patient: Patient) -> None:
    newest = patient.version().created_at
    report = patient.examine(clock=lambda: newest - timedelta(seconds=1))
    (finding,) = findings(report, "clock")
    assert finding.severity is Severity.OK
    assert "signing.clock_tolerance" in finding.sentence


SPACE = {
    "one byte less than the reserve": (RESERVE_BYTES - 1, 0, FAILED),
    "the reserve and no more": (RESERVE_BYTES, 1, WARNING),
    "one byte less than the largest artifact needs": (RESERVE_BYTES + 99, 100, WARNING),
    "just enough for the largest artifact": (RESERVE_BYTES + 100, 100, Severity.OK),
}


@pytest.mark.parametrize("sentence", SPACE)
def test_disk_space_is_judged(sentence: str) -> None:
    free, largest, severity = SPACE[sentence]
    assert judged_space(Path("spool"), free, largest).severity is severity


def test_a_disk_that_is_mounted_read_only_is_told() -> None:
    finding = judged_disk("the database in", Path("/srv"), RESERVE_BYTES, read_only=True)
    assert (finding.severity, finding.sentence) == (FAILED, "the disk of the database in /srv is mounted read-only")


CONFIGURATION: dict[str, tuple[Callable[[Patient], object], dict[str, str], str]] = {
    "an unknown setting": (
        lambda patient: patient.edit("[spool]\n", "[spool]\nsize = 3\n"),
        {},
        "spool.size",
    ),
    "an unknown variable": (nothing, {"ARTIFACT_SIGNER_SPOOL_SIZE": "3"}, "ARTIFACT_SIGNER_SPOOL_SIZE is no setting"),
    "no configuration": (remove("artifact-signer.toml"), {}, "cannot be read"),
    "a file that is no TOML": (write("artifact-signer.toml", b"]"), {}, "is not TOML"),
    "a token without a module": (
        lambda patient: patient.edit("?module-path=", "?pin-value="),
        {},
        "token softhsm",
    ),
}


@pytest.mark.parametrize("sentence", CONFIGURATION)
def test_a_configuration_that_cannot_be_used_ends_the_examination(sentence: str, patient: Patient) -> None:
    breaks, environment, says = CONFIGURATION[sentence]
    breaks(patient)
    report = patient.examine(environment=environment)
    assert report.verdict is Verdict.UNUSABLE
    assert report.exit_status == 2
    assert {line.check for line in report.lines} == {"configuration"}
    assert any(says in line.finding.sentence for line in report.lines)
    assert report.examined_at <= utc_now()

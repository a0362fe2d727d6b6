"""What doctor says of the running service, and of what listens in its place."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from signer.doctor import Severity, service
from tests.integration.running import Installation, running, wait_until
from tests.signer.doctor.certificates import write_certificate
from tests.signer.doctor.listeners import Answer, greeting, http, listening, silence
from tests.signer.doctor.patient import KEY, Patient, copied, findings
from tests.support.rows import slow_but_every

FAILED, WARNING, OK = Severity.FAILED, Severity.WARNING, Severity.OK


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What listens; ``tls`` with the certificate of the installation, or without TLS."""

    answer: Answer
    tls: bool = True
    severity: Severity
    says: str


LISTENERS = {
    "another protocol": Row(
        answer=greeting, tls=False, severity=FAILED, says="does not answer as this service: no TLS"
    ),
    "nobody who speaks": Row(answer=silence, tls=False, severity=FAILED, says="no answer within"),
    "nobody who speaks HTTP": Row(answer=silence, severity=FAILED, says="no answer within"),
    "a page that is no JSON": Row(answer=http("200 OK", b"<html>"), severity=FAILED, says="no JSON over HTTP"),
    "JSON that is no object": Row(answer=http("200 OK", b"[]"), severity=FAILED, says="no JSON over HTTP"),
    "a service that is not well": Row(
        answer=http("500 Internal Server Error", b"{}"), severity=FAILED, says="answers /healthz with status 500"
    ),
    "an endless answer": Row(
        answer=http("200 OK", b'{"status": "' + b"o" * (1 << 20) + b'"}'), severity=FAILED, says="no JSON over HTTP"
    ),
}

NOT_READY = b'{"status": "not-ready"}'


def port(patient: Patient) -> int:
    """The port of the configuration."""
    return int(patient.settings.server.bind.rpartition(":")[2])


@pytest.mark.parametrize("sentence", slow_but_every(3, list(LISTENERS)))
def test_a_stranger_on_the_port_is_told(sentence: str, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PROBE_TIMEOUT", 0.5)
    row = LISTENERS[sentence]
    with listening(port(patient), row.answer, tls=patient.directory if row.tls else None):
        (finding,) = findings(patient.examine(), "workers")
    assert finding.severity is row.severity
    assert row.says in finding.sentence


def test_a_service_with_another_certificate_is_told(patient: Patient, tmp_path: Path) -> None:
    other = copied(patient, tmp_path / "other")
    write_certificate(other.directory)
    with listening(port(patient), http("200 OK", b"{}"), tls=other.directory):
        (finding,) = findings(patient.examine(), "workers")
    assert finding.severity is FAILED
    assert "shows another certificate than" in finding.sentence


def test_an_expired_certificate_does_not_hide_that_the_service_runs(patient: Patient) -> None:
    write_certificate(patient.directory, ends=timedelta(days=-1))
    with listening(port(patient), http("200 OK", b"{}"), tls=patient.directory):
        found = findings(patient.examine(), "workers")
    assert [item.severity for item in found] == [OK, OK]


def test_no_service_is_a_warning(patient: Patient) -> None:
    (finding,) = findings(patient.examine(), "workers")
    assert finding.severity is WARNING
    assert finding.sentence == f"nothing listens on 127.0.0.1:{port(patient)}: the service is not running"
    assert finding.hint == f"artifact-signer serve --config {patient.config.resolve()}"


@pytest.mark.slow
def test_the_running_service_is_found_ready_and_then_not(patient: Patient) -> None:
    installation = Installation(directory=patient.directory, port=port(patient))
    with running(installation, READINESS_INTERVAL="0.5", SERVER_WORKERS="1") as process:
        found = findings(patient.examine(), "workers")
        assert [item.severity for item in found] == [OK, OK]
        patient.tamper("remove", patient.version().cka_id.hex(), "private", "public")
        wait_until(installation, "/readyz", 503, process)
        healthy, ready = findings(patient.examine(), "workers")
    assert healthy.severity is OK
    assert ready.severity is FAILED
    assert f"the service is not ready: key {KEY}: token-" in ready.sentence


def test_a_service_on_a_unix_socket_is_asked_there(patient: Patient, tmp_path: Path) -> None:
    bind = patient.settings.server.bind
    path = tmp_path / "socket"
    patient.edit(f'bind = "{bind}"', f'bind = "unix:{path}"')
    patient.edit('tls = "on"', 'tls = "off"')
    (finding,) = findings(patient.examine(), "workers")
    assert finding.severity is WARNING
    with listening(path, http("503 Service Unavailable", NOT_READY)):
        (finding,) = findings(patient.examine(), "workers")
    assert finding.severity is FAILED
    assert "answers /healthz with status 503" in finding.sentence

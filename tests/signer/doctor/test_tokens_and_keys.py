"""What doctor says of broken tokens, PINs and keys."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from signer.bootstrap import utc_now
from signer.doctor import Severity
from signer.domain.certificates import CertificateParameters
from signer.domain.identity import Role
from signer.domain.keys import Validity, VersionState
from signer.installation import SOFTHSM_MODULES
from signer.services.key_pairs import KeyPairSelector
from signer.services.lifecycle import NewKeyRequest
from tests.signer.doctor.patient import ADMIN, KEY, LABEL, TOKEN, Patient, findings
from tests.signer.doctor.rows import Row, check_row
from tests.support.house import new_request
from tests.support.rows import slow_but

FAILED, WARNING = Severity.FAILED, Severity.WARNING


def on_the_pair(action: str, *arguments: str) -> Callable[[Patient], None]:
    """Tamper with the pair of the key's first version."""
    return lambda patient: patient.tamper(action, patient.version().cka_id.hex(), *arguments)


def rotate(patient: Patient) -> None:
    """A second version signs; the first one verifies on."""
    with patient.service() as service:
        service.lifecycle.prepare(ADMIN, KEY, validity=Validity())
        service.lifecycle.rotate(ADMIN, KEY)


def leave_the_token(patient: Patient) -> None:
    patient.edit(f'name = "{TOKEN}"', 'name = "another"')


def rotate_and_leave_the_token(patient: Patient) -> None:
    rotate(patient)
    leave_the_token(patient)


def lose_a_previous_pair(patient: Patient) -> None:
    rotate(patient)
    on_the_pair("remove", "private", "public")(patient)


def adopt_an_extractable_pair(patient: Patient) -> None:
    patient.tamper("make-extractable", "ee01", "loose")
    request = NewKeyRequest(unverified_name="adopted", unverified_algorithm="ecdsa-p256")
    with patient.service() as service:
        service.lifecycle.adopt(ADMIN, request, KeyPairSelector(label="loose"))


def move_the_tokens_away(patient: Patient) -> None:
    (patient.directory / "tokens").rename(patient.directory / "elsewhere")


def empty_the_tokens(patient: Patient) -> None:
    move_the_tokens_away(patient)
    (patient.directory / "tokens").mkdir()


def make_a_second_token(patient: Patient) -> None:
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", "user 1234", "--so-pin", "officer 1234"],
        env={**os.environ, "SOFTHSM2_CONF": str(patient.directory / "softhsm2.conf")},
        capture_output=True,
        check=True,
        timeout=60,
    )


def put_text_in_place_of_the_module(patient: Patient) -> None:
    text = patient.directory / "module.so"
    text.write_text("no module")
    name_the_module(patient, text)


def name_the_module(patient: Patient, path: Path) -> None:
    (module,) = [item for item in SOFTHSM_MODULES if str(item) in patient.config.read_text()]
    patient.edit(str(module), str(path))


def exhaust(patient: Patient) -> None:
    """Count signatures up to the limit."""
    patient.create("limited", validity=Validity(signature_limit=10))
    count(patient, "limited", 10)


def count(patient: Patient, key: str, signatures: int) -> None:
    with patient.service() as service:
        for _ in range(signatures):
            service.sign(ADMIN, key, new_request())


def nearly_exhaust(patient: Patient) -> None:
    patient.create("limited", validity=Validity(signature_limit=10))
    count(patient, "limited", 9)


def certify(days: int) -> Callable[[Patient], None]:
    """A certificate for so many days."""

    def breaks(patient: Patient) -> None:
        with patient.service() as service:
            service.application.certificates.issue(ADMIN, KEY, 1, CertificateParameters(days=days))

    return breaks


TOKENS = {
    "a module that is not there": Row(
        breaks=lambda patient: name_the_module(patient, patient.directory / "missing.so"),
        check="module",
        severity=FAILED,
        says="missing.so cannot be used: no such file",
        hint="module-path",
    ),
    "a module that is none": Row(
        breaks=put_text_in_place_of_the_module, check="module", severity=FAILED, says="cannot be used: cannot be loaded"
    ),
    "a token whose module has lost its store": Row(
        breaks=move_the_tokens_away, check="token", severity=FAILED, says="token softhsm does not answer"
    ),
    "a token that is gone": Row(
        breaks=empty_the_tokens,
        check="token",
        severity=FAILED,
        says="token softhsm is in no slot",
        hint="artifact-signer tokens",
    ),
    "keys of a token that is gone": Row(
        breaks=move_the_tokens_away, check="keys", severity=WARNING, says="not checked: no token can be logged in to"
    ),
    "the PIN of a token that is gone": Row(
        breaks=move_the_tokens_away, check="pin", severity=WARNING, says="the PIN was not checked"
    ),
    "two tokens of one name": Row(
        breaks=make_a_second_token, check="token", severity=FAILED, says="2 tokens match its uri"
    ),
    "a wrong PIN": Row(
        breaks=lambda patient: (patient.directory / "token.pin").write_text("wrong"),
        check="pin",
        severity=FAILED,
        says="token softhsm refuses the PIN",
        hint="correct the PIN",
    ),
    "a PIN file without a PIN": Row(
        breaks=lambda patient: (patient.directory / "token.pin").write_text(""),
        check="pin",
        severity=FAILED,
        says="its PIN cannot be read, or is not one line",
    ),
    "a PIN file that is not there": Row(
        breaks=lambda patient: (patient.directory / "token.pin").unlink(),
        check="pin",
        severity=WARNING,
        says="the PIN was not checked, there is no file",
    ),
    "a PIN in a variable of the service alone": Row(
        breaks=lambda patient: patient.edit('{ file = "token.pin" }', '{ env = "TOKEN_PIN_OF_THE_SERVICE" }'),
        check="pin",
        severity=WARNING,
        says="TOKEN_PIN_OF_THE_SERVICE is not set here",
    ),
    "a PIN on a descriptor of the service": Row(
        breaks=lambda patient: patient.edit('{ file = "token.pin" }', "{ fd = 9 }"),
        check="pin",
        severity=WARNING,
        says="descriptor 9 belongs to the service",
    ),
}

KEYS = {
    "a pair that was removed": Row(
        breaks=on_the_pair("remove", "private", "public"),
        check="keys",
        severity=FAILED,
        says="key firmware version 1 (active) is not in token softhsm",
        hint="restore the pair",
    ),
    "a pair without its private half": Row(
        breaks=on_the_pair("remove", "private"), check="keys", severity=FAILED, says="is not in token softhsm"
    ),
    "a pair that was replaced": Row(
        breaks=on_the_pair("replace", "other"),
        check="keys",
        severity=FAILED,
        says="is not the recorded pair in token softhsm: another one is there",
        hint="doctor --repair quarantines it",
    ),
    "a previous version whose pair was removed": Row(
        breaks=lose_a_previous_pair,
        check="keys",
        severity=WARNING,
        says="key firmware version 1 (previous) is not in token softhsm",
    ),
    "a token that left the configuration, and signs": Row(
        breaks=leave_the_token,
        check="keys",
        severity=FAILED,
        says="key firmware version 1 (active) is in no configured token: it was in softhsm",
        hint="doctor --moving softhsm TOKEN",
    ),
    "a token that left the configuration, and signs no more": Row(
        breaks=rotate_and_leave_the_token,
        check="keys",
        severity=Severity.OK,
        says="key firmware version 1 (previous) does not sign, and was left in softhsm",
    ),
    "a pair that no record names": Row(
        breaks=lambda patient: patient.tamper("make", "ab12", "stranger"),
        check="consistency",
        severity=WARNING,
        says="holds a pair that no record names: CKA_ID ab12, label 'stranger'",
        hint="keys adopt",
    ),
    "an adopted pair that can be taken out": Row(
        breaks=adopt_an_extractable_pair,
        check="extractable",
        severity=WARNING,
        says="key adopted version 1 (adopted) can be taken out",
    ),
    "a key that signs until tomorrow": Row(
        breaks=lambda patient: patient.create("short", validity=Validity(not_after=utc_now() + timedelta(days=1))),
        check="validity",
        severity=WARNING,
        says="key short version 1 signs until",
        hint="keys prepare short",
    ),
    "a key that signed until yesterday": Row(
        breaks=lambda patient: patient.create("short", validity=Validity(not_after=utc_now() - timedelta(days=1))),
        check="validity",
        severity=FAILED,
        says="key short version 1 signs no more: its not-after was",
    ),
    "a key close to its signature limit": Row(
        breaks=nearly_exhaust,
        check="validity",
        severity=WARNING,
        says="has made 9 of its 10 signatures",
    ),
    "a key at its signature limit": Row(
        breaks=exhaust, check="validity", severity=FAILED, says="it has made all its 10 signatures"
    ),
}

CERTIFICATES = {
    "a certificate that ends next week": Row(
        breaks=certify(7), check="certificates", severity=WARNING, says="key firmware version 1 expires on"
    ),
    "a certificate that ended": Row(
        breaks=certify(7),
        check="certificates",
        severity=FAILED,
        says="key firmware version 1 expired on",
        hint="keys certificate firmware --version 1 --new",
        surroundings=lambda: {"clock": lambda: utc_now() + timedelta(days=8)},
    ),
    "a version without a certificate": Row(
        breaks=lambda patient: patient.sql("DELETE FROM certificates"),
        check="certificates",
        severity=WARNING,
        says="key firmware version 1 has no certificate",
    ),
}

ROWS = {**TOKENS, **KEYS, **CERTIFICATES}


@pytest.mark.parametrize(
    "sentence",
    slow_but(
        {
            "a module that is not there",
            "a token that is gone",
            "two tokens of one name",
            "a wrong PIN",
            "a pair that was removed",
            "a pair that was replaced",
            "a pair that no record names",
            "a key at its signature limit",
            "a certificate that ended",
        },
        ROWS,
    ),
)
def test_doctor_names(sentence: str, patient: Patient) -> None:
    check_row(patient, ROWS[sentence])


def test_a_replaced_pair_is_quarantined_when_mended(patient: Patient) -> None:
    on_the_pair("replace", "other")(patient)
    report = patient.examine(repair=True)
    (finding,) = [item for item in findings(report, "keys") if "another one is there" in item.sentence]
    assert "it is quarantined now" in finding.sentence
    assert report.exit_status == 1
    assert patient.version().state is VersionState.QUARANTINED


@pytest.mark.slow
def test_a_quarantined_version_with_its_pair_restored_can_be_enabled(patient: Patient) -> None:
    stored = patient.directory / "tokens"
    backup = patient.directory.parent / "backup"
    shutil.copytree(stored, backup)
    on_the_pair("replace", "other")(patient)
    patient.examine(repair=True)
    shutil.rmtree(stored)
    shutil.copytree(backup, stored)
    (finding,) = [each for each in findings(patient.examine(), "keys") if each.severity is WARNING]
    assert "its pair in token softhsm is the right one again" in finding.sentence
    assert finding.hint is not None
    assert "keys enable firmware --version 1" in finding.hint


def test_a_wrong_pin_is_tried_once_and_never_again(patient: Patient) -> None:
    (patient.directory / "token.pin").write_text("wrong")
    first = findings(patient.examine(), "pin")
    assert [item.sentence for item in first] == ["token softhsm refuses the PIN"]
    again = findings(patient.examine(), "pin")
    assert [item.sentence for item in again] == [
        "token softhsm refused a PIN since it last took one: no login was tried"
    ]


def test_the_right_pin_is_not_tried_either_while_the_token_tells_of_a_refused_one(patient: Patient) -> None:
    patient.tamper("mistype")
    assert patient.description().user_pin_count_low
    report = patient.examine()
    (finding,) = findings(report, "pin")
    assert finding.severity is FAILED
    assert "no login was tried" in finding.sentence
    assert [item.sentence for item in findings(report, "keys")] == ["not checked: no token can be logged in to"]
    # One login with the right PIN would have cleared it.
    assert patient.description().user_pin_count_low


def test_an_examination_makes_no_signature_of_the_key_s_own_and_no_event(patient: Patient) -> None:
    with patient.service() as service:
        before = service.store.events(after=0, limit=1000, key=None)
    patient.examine()
    patient.examine(repair=True)
    with patient.service() as service:
        assert service.store.events(after=0, limit=1000, key=None) == before
    assert patient.version().signature_count == 0
    assert ADMIN.role is Role.ADMINISTRATOR

"""What doctor says of tokens with flags, mechanisms and signatures that SoftHSM cannot be brought to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.doctor import Severity
from signer.installation import SOFTHSM_MODULES
from tests.hsm.shim import compiled
from tests.signer.doctor.patient import Patient, findings

FAILED, WARNING = Severity.FAILED, Severity.WARNING
LOW, FINAL_TRY, LOCKED, WRITE_PROTECTED = 0x10000, 0x20000, 0x40000, 0x2  # CK_TOKEN_INFO, PKCS#11 v2.40 section 3.3
ECDSA, EC_KEY_PAIR_GEN = 0x1041, 0x1040


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module in front of SoftHSM that adds flags, hides mechanisms and counts logins."""
    return compiled(tmp_path_factory.mktemp("shim"))


def behind_the_shim(patient: Patient, shim: Path, command: str) -> Path:
    """Put the shim in front of the token; returns its log of logins."""
    (module,) = [item for item in SOFTHSM_MODULES if str(item) in patient.config.read_text()]
    control, log = patient.directory / "control", patient.directory / "logins"
    control.write_text(f"{command}\n")
    patient.edit(
        "{ SOFTHSM2_CONF", f'{{ SHIM_MODULE = "{module}", SHIM_CONTROL = "{control}", SHIM_LOG = "{log}", SOFTHSM2_CONF'
    )
    patient.edit(f"module-path={module}", f"module-path={shim}")
    return log


FLAGS = {
    "a PIN that is locked": (LOCKED, "pin", FAILED, "token softhsm has locked its PIN: no login was tried"),
    "one attempt left": (FINAL_TRY, "pin", FAILED, "token softhsm has one attempt left before it locks its PIN"),
    "attempts that failed": (LOW, "pin", FAILED, "token softhsm refused a PIN since it last took one"),
    "a token that cannot be written": (WRITE_PROTECTED, "token", WARNING, "token softhsm is write-protected"),
}


@pytest.mark.parametrize("sentence", FLAGS)
def test_the_flags_of_the_token_are_believed_before_any_login(sentence: str, patient: Patient, shim: Path) -> None:
    flag, check, severity, says = FLAGS[sentence]
    logins = behind_the_shim(patient, shim, f"C_GetTokenInfo flags {flag:#x}")
    (finding,) = findings(patient.examine(), check)
    assert finding.severity is severity
    assert says in finding.sentence
    assert logins.exists() is (flag == WRITE_PROTECTED)


HIDDEN = {
    "no mechanism to sign with": (ECDSA, FAILED, "token softhsm has no mechanism to sign with ecdsa-p256"),
    "no mechanism to make pairs": (EC_KEY_PAIR_GEN, WARNING, "token softhsm cannot make pairs for ecdsa-p256"),
}


@pytest.mark.parametrize("sentence", HIDDEN)
def test_mechanisms_that_the_keys_need_are_missed(sentence: str, patient: Patient, shim: Path) -> None:
    mechanism, severity, says = HIDDEN[sentence]
    behind_the_shim(patient, shim, f"C_GetMechanismList hide {mechanism:#x}")
    (finding,) = findings(patient.examine(), "mechanisms")
    assert finding.severity is severity
    assert says in finding.sentence


def test_a_key_whose_signature_is_wrong_is_told(patient: Patient, shim: Path) -> None:
    behind_the_shim(patient, shim, "C_Sign corrupt")
    found = findings(patient.examine(), "keys")
    # The keys of the log and of both kinds of tokens are in the same token.
    assert [finding.severity for finding in found] == [FAILED] * 4
    assert all("that its public key does not verify" in finding.sentence for finding in found)

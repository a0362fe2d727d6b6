"""``artifact-signer doctor`` and ``artifact-signer tokens`` as sessions, the machinery of checks, and their page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from signer import spool
from signer.cli.main import run
from signer.config import Settings
from signer.doctor import CHECKS, Check, Finding, Request, Severity, checks, examine, keys, service
from signer.doctor.examination import Examination
from signer.services.reconciliation import DEFAULT_PENDING_AGE
from tests.signer.doctor.patient import KEY, LABEL, ROOT, TOKEN, Patient

PAGE = (ROOT / "docs/operations/doctor.md").read_text(encoding="utf-8")
ONE = {"one": Check(look=lambda _examination: [Finding(severity=Severity.OK, sentence="it is there")])}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this machine reaches the command."""
    for name in ("URL", "API_TOKEN_FILE", "CA_FILE", "CONFIG"):
        monkeypatch.delenv(f"ARTIFACT_SIGNER_{name}", raising=False)


def run_help(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says of itself."""
    run(["doctor", "--help"])
    return capsys.readouterr().out


# What an installation made by ``init`` is told on a machine such as this.
ORDINARY = (
    "ok ",
    "warning workers",
    "hint: artifact-signer serve",
    "warning log: the file of the newest checkpoint",
    "hint: name a file on another volume",
    "warning log: SQLite",
    "hint: the service works round it",
)


@pytest.mark.usefixtures("session")
class TestDoctor:
    """Commands, what they print, and their exit status."""

    @pytest.mark.parametrize("arguments", [("one", "one"), ("one", "two", "--repair")], ids=" ".join)
    def test_a_move_is_between_two_tokens_and_repairs_nothing(
        self, patient: Patient, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
    ) -> None:
        assert run(["doctor", "--config", str(patient.config), "--moving", *arguments]) == 2
        assert "--moving needs two tokens, and repairs nothing" in capsys.readouterr().err

    def test_a_move_to_nowhere_has_not_begun(self, patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["doctor", "--config", str(patient.config), "--moving", TOKEN, "hsm"]) == 1
        assert "failed  moving: no token named hsm is configured\nhint: add it to " in capsys.readouterr().out

    def test_a_healthy_installation_has_no_failed_line(
        self, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["doctor", "--config", str(patient.config)]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        lines = output.out.splitlines()
        assert [line for line in lines if not line.startswith(ORDINARY)] == []
        assert f"ok      keys: key {KEY} version 1 (active) is in token {TOKEN} as recorded and signs" in lines
        told = {line.split()[1].rstrip(":") for line in lines if not line.startswith("hint: ")}
        assert told == set(CHECKS)

    def test_what_failed_has_a_hint_on_its_own_line(self, patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
        pin = patient.directory / "token.pin"
        pin.chmod(0o644)
        assert run(["doctor", "--config", str(patient.config)]) == 1
        lines = capsys.readouterr().out.splitlines()
        at = lines.index(f"failed  secrets: {pin} has mode 0644, others than its owner can read or change it")
        assert lines[at + 1] == f"hint: chmod 600 {pin}, and replace the secret if others may have read it"

    def test_an_unusable_configuration_has_its_own_status(
        self, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        patient.edit("[spool]\n", "[spool]\nsize = 3\n")
        assert run(["doctor", "--config", str(patient.config)]) == 2
        output = capsys.readouterr()
        assert output.out.startswith(f"failed  configuration: {patient.config}: spool.size: ")
        assert output.err == ""

    def test_the_document_has_a_version_and_every_line(
        self, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (patient.directory / "token.pin").chmod(0o644)
        assert run(["doctor", "--config", str(patient.config), "--json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert document.keys() == {"schema", "configuration", "examined_at", "status", "findings"}
        assert (document["schema"], document["status"]) == (2, "failed")
        assert {item["check"] for item in document["findings"]} == set(CHECKS)
        for item in document["findings"]:
            assert item.keys() == {"check", "status", "sentence", "hint", "repaired"}
            assert (item["hint"] is None) is (item["status"] == "ok")

    def test_an_unusable_configuration_is_a_document_too(
        self, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        patient.config.write_text("]")
        assert run(["doctor", "--config", str(patient.config), "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["status"] == "unusable"

    @pytest.mark.parametrize("form", [[], ["--json"]])
    def test_no_secret_is_told(self, form: list[str], patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
        secrets = [
            (patient.directory / name).read_text().strip() for name in ("token.pin", "token-officer.pin", "admin.token")
        ]
        (patient.directory / "token.pin").write_text("wrong-pin-of-a-test")
        run(["doctor", "--config", str(patient.config), *form])
        output = capsys.readouterr()
        assert not [secret for secret in [*secrets, "wrong-pin-of-a-test"] if secret in output.out + output.err]

    @pytest.mark.parametrize("option", ["--repair", "--mend"])
    def test_the_option_that_repairs_has_its_former_name_still(
        self, option: str, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        patient.sql("UPDATE key_versions SET state = 'destroying'")
        assert run(["doctor", "--config", str(patient.config), option]) == 0
        assert "the destruction is finished" in capsys.readouterr().out
        assert "--mend" not in run_help(capsys)

    @pytest.mark.parametrize("age", ["-1", "nan", "inf", "1e3", "1" * 30, "soon"])
    def test_an_age_that_is_none_is_a_usage_error(
        self, age: str, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["doctor", "--config", str(patient.config), "--pending-age", age]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert "--pending-age" in output.err


@pytest.mark.usefixtures("session")
class TestTokens:
    """What the modules show."""

    def test_slots_are_listed(self, patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["tokens", "--config", str(patient.config)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("module /")
        assert any(line.startswith(f'    token          "{LABEL}", serial ') for line in lines)
        assert f"    configured as  {TOKEN}" in lines
        assert any(line.startswith("    mechanisms     ") and "ECDSA" in line for line in lines)
        assert "    token          not initialised, serial -" in lines

    def test_the_document_has_every_fact(self, patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["tokens", "--config", str(patient.config), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        (module,) = document["modules"]
        (slot,) = [item for item in module["slots"] if item["label"] == LABEL]
        assert document["schema"] == 1
        assert slot["configured_as"] == TOKEN
        assert {"initialized", "login-required", "user-pin-initialized"} <= set(slot["flags"])
        assert {"serial", "model", "free_memory", "total_memory", "sessions", "mechanisms"} <= slot.keys()

    def test_flags_are_told_without_login(self, patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
        patient.tamper("mistype")
        for _ in range(2):
            run(["tokens", "--config", str(patient.config)])
            assert "user-pin-count-low" in capsys.readouterr().out

    def test_a_module_that_shows_nothing_is_a_failure(
        self, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        patient.edit("module-path=/", "module-path=/missing/")
        assert run(["tokens", "--config", str(patient.config)]) == 1
        assert "  failed: token-module-missing" in capsys.readouterr().out.splitlines()

    def test_an_unusable_configuration_is_a_usage_error(
        self, patient: Patient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        patient.config.unlink()
        assert run(["tokens", "--config", str(patient.config)]) == 2
        assert "cannot be read" in capsys.readouterr().err


def sentences(patient: Patient, table: dict[str, Check]) -> list[tuple[str, Severity, str]]:
    """What a table of checks finds."""
    report = examine(Request(config=patient.config, environment={}), checks=table)
    return [(line.check, line.finding.severity, line.finding.sentence) for line in report.lines]


class TestMachinery:
    """Checks that break or hang."""

    def test_one_that_breaks_hides_no_other(self, patient: Patient) -> None:
        def broken(_examination: Examination) -> Iterator[Finding]:
            yield Finding(severity=Severity.OK, sentence="half of it is well")
            raise ZeroDivisionError("a secret may be in here")

        assert sentences(patient, {"broken": Check(look=broken), **ONE}) == [
            ("broken", Severity.OK, "half of it is well"),
            ("broken", Severity.FAILED, "this check broke with ZeroDivisionError"),
            ("one", Severity.OK, "it is there"),
        ]

    def test_one_that_hangs_is_left_behind(self, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "BASE_SECONDS", 0.2)
        released = threading.Event()

        def hanging(_examination: Examination) -> Iterator[Finding]:
            released.wait(60)
            yield Finding(severity=Severity.OK, sentence="too late")

        try:
            found = sentences(patient, {"hanging": Check(look=hanging), **ONE})
        finally:
            released.set()
        assert found == [
            ("hanging", Severity.FAILED, "this check did not end within 0.2 seconds"),
            ("one", Severity.OK, "it is there"),
        ]

    def test_nothing_else_is_asked_of_tokens_that_hang(self, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Check, "max_wait", lambda _check, _settings: 0.2)
        released = threading.Event()

        def hanging(_examination: Examination) -> Iterator[Finding]:
            released.wait(60)
            yield from ()

        asked: list[bool] = []

        def asking(_examination: Examination) -> list[Finding]:
            asked.append(True)
            return []

        table = {
            "hanging": Check(look=hanging, asks_tokens=True),
            "asking": Check(look=asking, asks_tokens=True),
            **ONE,
        }
        try:
            found = sentences(patient, table)
        finally:
            released.set()
        assert asked == []
        assert found[1:] == [
            ("asking", Severity.WARNING, "not checked: the check hanging still waits"),
            ("one", Severity.OK, "it is there"),
        ]

    def test_a_check_that_asks_tokens_waits_longer_than_they_may_take(self, patient: Patient) -> None:
        settings: Settings = patient.settings
        slowest = sum(2 * token.start_timeout + settings.signing.timeout for token in settings.tokens)
        for check in CHECKS.values():
            assert check.max_wait(settings) > (slowest if check.asks_tokens else settings.database.timeout)


class TestPage:
    """docs/operations/doctor.md is complete and true."""

    @pytest.mark.parametrize("check", CHECKS)
    def test_every_check_is_documented_with_its_repair(self, check: str) -> None:
        _, found, section = PAGE.partition(f"\n### `{check}`\n")
        assert found, f"docs/operations/doctor.md has no section for {check}"
        assert "**To repair:**" in section.partition("\n### ")[0].partition("\n## ")[0]

    def test_no_section_describes_a_check_that_does_not_exist(self) -> None:
        documented = [line.strip("#` ") for line in PAGE.splitlines() if line.startswith("### ")]
        assert documented == list(CHECKS)

    def test_figures_are_those_of_the_checks(self) -> None:
        figures: dict[str, Any] = {
            "instead of {}": int(DEFAULT_PENDING_AGE.total_seconds()),
            "look again after {} seconds": int(DEFAULT_PENDING_AGE.total_seconds()),
            "{} MiB are left": spool.RESERVE_BYTES >> 20,
            "It does not expire within {} days": service.EXPIRY_WARNING.days,
            "does not expire within {} days (*warning*). **To repair:** `artifact-signer keys": keys.NOTICE.days,
        }
        text = " ".join(PAGE.split())
        assert [name for name, figure in figures.items() if name.format(figure) not in text] == []
        assert keys.LIMIT_NOTICE == 0.9

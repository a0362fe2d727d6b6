"""Imports run one way; the rules are read from the imports themselves, wherever in a file they stand."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from .sources import PACKAGES, Import, imports, inside

OURS = (*PACKAGES, "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What one of the lower packages may import beside itself and the standard library."""

    libraries: frozenset[str]


FOUNDATIONS = {
    "verifier": Foundation(libraries=frozenset({"cryptography", "isal", "backports"})),
    "hsm": Foundation(libraries=frozenset({"cryptography", "pkcs11"})),
    "device": Foundation(libraries=frozenset({"cryptography"})),
}


@pytest.mark.parametrize("package", FOUNDATIONS)
def test_a_foundation_imports_the_standard_library_and_its_few_libraries(package: str) -> None:
    allowed = FOUNDATIONS[package].libraries | sys.stdlib_module_names | {package}
    assert [str(item) for item in imports(package) if item.top not in allowed] == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Modules that may import ``targets``; ``exceptions`` are importing modules, each with its reason."""

    targets: tuple[str, ...]
    rooms: tuple[str, ...]
    exceptions: dict[str, str]


LIBRARIES_WITH_ONE_ROOM = {
    "the PKCS#11 library is known to the token's own process alone": Room(
        targets=("pkcs11",), rooms=("hsm.worker",), exceptions={}
    ),
    "what runs in the token's own process is imported there alone": Room(
        targets=("hsm.worker",), rooms=("hsm.worker",), exceptions={}
    ),
    "what runs beside the token's process is reached through hsm alone": Room(
        targets=("hsm.parent",),
        rooms=("hsm.parent",),
        exceptions={
            "hsm": "names for callers what the room holds",
            "hsm.pool": "the verbs over all tokens",
            "hsm.async_signer": "the verb of an event loop over all tokens",
            "hsm.inspection": "looks into a process that ends afterwards",
            "hsm.initialisation": "works in a process that ends afterwards",
        },
    ),
    "JSON Web Tokens are known to those who verify credentials alone": Room(
        targets=("jwt",), rooms=("signer.auth",), exceptions={}
    ),
    "Flask is known to the web layer alone": Room(targets=("flask", "werkzeug"), rooms=("signer.web",), exceptions={}),
    "SQL is known to the storage alone": Room(
        targets=("sqlalchemy", "alembic", "psycopg", "sqlite3"), rooms=("signer.storage",), exceptions={}
    ),
    "gunicorn is known to the server and its workers alone": Room(
        targets=("gunicorn",), rooms=("signer.server", "signer.web.worker"), exceptions={}
    ),
    "the HTTP client is known to the client alone": Room(targets=("httpx",), rooms=("signer.client",), exceptions={}),
    "click is known to the command line alone": Room(targets=("click",), rooms=("signer.cli",), exceptions={}),
    "artifact-verify sits on top of the verifier": Room(
        targets=("verifier.command",), rooms=("verifier.command", "verifier.__main__"), exceptions={}
    ),
    "artifact-device sits on top of the device's side": Room(
        targets=("device.command",), rooms=("device.command", "device.__main__"), exceptions={}
    ),
    "a device's own side is known to itself alone": Room(targets=("device",), rooms=("device",), exceptions={}),
    "the tests are known to no package": Room(targets=("tests",), rooms=(), exceptions={}),
}


@pytest.mark.parametrize("sentence", LIBRARIES_WITH_ONE_ROOM)
def test_a_library_has_one_room(sentence: str) -> None:
    rule = LIBRARIES_WITH_ONE_ROOM[sentence]
    outside = [
        str(item)
        for package in PACKAGES
        for item in imports(package)
        if item.within(*rule.targets)
        and not any(inside(item.module, room) for room in rule.rooms)
        and item.module not in rule.exceptions
    ]
    assert outside == []


_NEITHER = ("algorithms", "config", "encoding", "errors", "protocol", "quirks", "types")
WHAT_BOTH_PROCESSES_KNOW = tuple(f"hsm.{name}" for name in _NEITHER)


@pytest.mark.parametrize("room", ["hsm.worker", "hsm.parent"])
def test_a_process_of_hsm_imports_itself_and_what_both_know(room: str) -> None:
    mine = [item for item in imports("hsm") if inside(item.module, room)]
    assert mine
    assert [str(item) for item in mine if item.top == "hsm" and not item.within(room, *WHAT_BOTH_PROCESSES_KNOW)] == []


def test_what_both_processes_know_belongs_to_neither() -> None:
    shared = [item for item in imports("hsm") if any(inside(item.module, name) for name in WHAT_BOTH_PROCESSES_KNOW)]
    assert [str(item) for item in shared if item.within("hsm.parent", "hsm.worker")] == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Modules under ``name`` import of ours only what lies under ``allowed``."""

    name: str
    allowed: tuple[str, ...]


LAYERS = {
    "the domain knows itself, the errors, and the words of the two foundations": Layer(
        name="signer.domain", allowed=("signer.domain", "signer.errors", "hsm", "verifier")
    ),
    "the services know the domain and their ports": Layer(
        name="signer.services", allowed=("signer.services", "signer.domain", "signer.errors", "hsm", "verifier")
    ),
    "the storage implements ports and knows no service": Layer(
        name="signer.storage",
        allowed=(
            "signer.storage",
            "signer.services.ports",
            "signer.services.access_ports",
            "signer.services.token_state_ports",
            "signer.services.approval_ports",
            "signer.services.user_ports",
            "signer.services.device_ports",
            "signer.services.device_ca_ports",
            "signer.services.server_certificate_ports",
            "signer.domain",
            "signer.errors",
            "signer.config.DatabaseSettings",
            "hsm.algorithms",
            "verifier.log",
        ),
    ),
    "the authentication implements ports and knows no service": Layer(
        name="signer.auth",
        allowed=(
            "signer.auth",
            "signer.services.ports",
            "signer.services.access_ports",
            "signer.services.user_ports",
            "signer.domain",
            "signer.errors",
            # what fetches the keys of issuers
            "signer.addresses",
            "signer.http_exchange",
        ),
    ),
    "the web layer calls services and knows no storage": Layer(
        name="signer.web",
        allowed=(
            "signer.web",
            "signer.services",
            "signer.domain",
            "signer.errors",
            "signer.application",
            "signer.artifacts",
            "signer.spool",
            "signer.logs",
            "signer.processes",
            "signer.__version__",
            "hsm",
            "verifier",
        ),
    ),
    "the application names services, and nothing that is over them": Layer(
        name="signer.application",
        allowed=("signer.services", "signer.domain", "signer.artifacts", "signer.spool", "verifier"),
    ),
    "the settings know nothing but the errors and addresses": Layer(
        name="signer.config",
        allowed=(
            "signer.errors",
            "signer.addresses",
            "signer.settings_section",
            "signer.log_settings",
            "signer.server_settings",
            "signer.ci_settings",
            "signer.client_ca_settings",
            "signer.user_settings",
            "signer.approval_settings",
            "signer.token_settings",
            "signer.dialect_settings",
            "signer.gateway_settings",
            "signer.device_settings",
            "signer.server_certificate_settings",
            "signer.domain.client_choices",
        ),
    ),
    "the settings of tokens know what tokens say": Layer(
        name="signer.token_settings", allowed=("signer.settings_section", "signer.domain.token_claims")
    ),
    "the settings of the listeners know the form of addresses": Layer(
        name="signer.server_settings",
        allowed=("signer.addresses", "signer.settings_section", "signer.domain.client_choices"),
    ),
    "the settings of client CAs know what can be chosen": Layer(
        name="signer.client_ca_settings", allowed=("signer.settings_section", "signer.domain.client_choices")
    ),
    "the settings of CI jobs know what is pinned of them": Layer(
        name="signer.ci_settings",
        allowed=("signer.addresses", "signer.settings_section", "signer.domain.ci", "signer.domain.access.patterns"),
    ),
    "settings of gateways know nothing": Layer(name="signer.gateway_settings", allowed=("signer.settings_section",)),
    "what writes configurations of gateways knows none of the services": Layer(
        name="signer.gateway", allowed=("signer.gateway", "signer.addresses", "signer.errors", "hsm.uri")
    ),
    "the settings of the log know the form of its keys too": Layer(
        name="signer.log_settings",
        allowed=("signer.addresses", "signer.settings_section", "verifier.errors", "verifier.log"),
    ),
    "the recorder's ways know the domain and the errors": Layer(
        name="signer.recorder",
        allowed=(
            "signer.recorder",
            "signer.domain",
            "signer.errors",
            "signer.logs",
            "signer.config",
            "signer.log_settings",
            "signer.addresses",
            "signer.http_exchange",
            "signer.notices_file",
            "signer.webhook_secret",
            "signer.witness",
            "signer.services.log_tree",
            "signer.services.ports.LogReader",
            "verifier.log",
            "hsm.isolated",
            "hsm.errors",
            # main.py alone, as a composition point
            "signer.processes",
            "signer.services.checkpoints.CheckpointSigner",
            "signer.storage",
            "signer.token.open_tokens",
        ),
    ),
    "the check of a log knows what a log is, and where one can be read": Layer(
        name="signer.log",
        allowed=(
            "signer.log",
            "signer.errors",
            "signer.answers",
            "signer.domain.log_rows",
            "signer.services.ports",
            "verifier",
        ),
    ),
    "a monitor knows where a log can be read, and what is expected of it": Layer(
        name="signer.monitor",
        allowed=(
            "signer.monitor",
            "signer.errors",
            "signer.new_file",
            "signer.answers",
            "signer.domain.weeks",
            "signer.log.source",
            "verifier.errors",
            "verifier.log",
        ),
    ),
    "a witness, and who asks one, knows notes and the words of refusals": Layer(
        name="signer.witness",
        allowed=(
            "signer.witness",
            "signer.http_exchange",
            "signer.errors",
            "signer.addresses",
            "signer.new_file",
            "signer.web.problems",
            "verifier.errors",
            "verifier.log",
        ),
    ),
    "the errors know nothing": Layer(name="signer.errors", allowed=("signer.errors",)),
}


@pytest.mark.parametrize("sentence", LAYERS)
def test_a_layer_imports_only_what_lies_below(sentence: str) -> None:
    layer = LAYERS[sentence]
    mine = [item for item in imports("signer") if inside(item.module, layer.name)]
    assert mine, "the layer is empty: its name has changed"
    assert [str(item) for item in mine if item.top in OURS and not item.within(*layer.allowed)] == []


CONTAINERS = ("_decoder", "_inflate", "_gzip", "_xz", "_zstd", "_tar", "_json")
CONTAINERS_MAY_KNOW = ("verifier.errors", "verifier.limits", "verifier.compression")


def test_what_reads_containers_knows_nothing_of_artifacts() -> None:
    """Containers are read by rules of their own, whoever asks: they know each other, the errors and the limits."""
    names = tuple(f"verifier.{name}" for name in CONTAINERS)
    mine = [item for item in imports("verifier") if item.module.startswith(names)]
    assert {item.module for item in mine} >= {"verifier._tar", "verifier._inflate", "verifier._json"}
    above = [
        str(item)
        for item in mine
        if item.top in OURS and not item.target.startswith(names) and not item.within(*CONTAINERS_MAY_KNOW)
    ]
    assert above == []


class TestComposition:
    """Concrete classes of the outside are named where a program is put together, and nowhere else."""

    POINTS: ClassVar[dict[str, str]] = {
        "signer.bootstrap": "puts the service together",
        "signer.log_bootstrap": "puts together what reads the log and tells of recalls",
        "signer.runtime": "opens what the service needs and closes it",
        "signer.approval_bootstrap": "puts together what approvals need",
        "signer.api_token_bootstrap": "puts together what API tokens need",
        "signer.caller_bootstrap": "puts together how callers prove who they are",
        "signer.user_bootstrap": "puts together what users need",
        "signer.ci_bootstrap": "puts together what gives sessions to CI jobs",
        "signer.device_ca_bootstrap": "puts together CAs of devices whose keys are in the token",
        "signer.device_bootstrap": "puts together what devices need",
        "signer.token_bootstrap": "puts together what tokens of users and devices need",
        "signer.gateway_bootstrap": "puts together what gateways are answered with",
        "signer.administration": "puts together what administers access",
        "signer.server_certificate_bootstrap": "puts together what keeps the certificates of servers",
        "signer.backup": "copies a database and looks at copies",
        "signer.log_continuation": "lets a log go on that an older copy was put back of",
        "signer.seen_checkpoints": "reads what is known of a log while no service runs on it",
        "signer.restore": "puts a copy in the place of a database that no service runs on",
        "signer.installation": "makes a database before there is a service",
        "signer.log_creation": "makes the keys of the log, its first leaf and its file before there is a service",
        "signer.recorder.main": "puts the recorder's process together",
        "signer.server": "checks the database's revision before workers are forked",
        "signer.asgi": "puts the web application over the service",
        "signer.cli": "commands on a local installation open what they look at",
        "signer.doctor": "looks at each part of an installation by itself, also where the whole cannot be started",
    }
    CONCRETE = ("signer.storage", "signer.auth", "hsm.TokenPool", "signer.token")

    def test_only_composition_points_name_concrete_classes(self) -> None:
        inner = ("signer.storage", "signer.auth", "signer.token")
        outside = [
            str(item)
            for item in imports("signer")
            if item.within(*self.CONCRETE) and not any(inside(item.module, room) for room in (*inner, *self.POINTS))
        ]
        assert outside == []

    def test_nothing_below_imports_a_composition_point(self) -> None:
        below = ("signer.domain", "signer.services", "signer.storage", "signer.auth", "signer.web")
        upward = [
            str(item)
            for item in imports("signer")
            if any(inside(item.module, layer) for layer in below) and item.within(*self.POINTS)
        ]
        assert upward == []


def test_the_web_layer_reads_records_through_services_only() -> None:
    """So that who may read what is decided in one place."""
    stores = [
        str(item)
        for item in imports("signer")
        if inside(item.module, "signer.web")
        and item.within("signer.services.ports", "signer.services.access_ports", "signer.services.approval_ports")
        and item.target.endswith(("Store", "Ledger", "Reader", "Recorder"))
    ]
    assert stores == []


class TestTheRulesThemselves:
    """The rules would say nothing if the imports were not seen."""

    @staticmethod
    def _targets(module: str) -> set[str]:
        return {item.target for package in PACKAGES for item in imports(package) if item.module == module}

    def test_imports_inside_functions_are_seen(self) -> None:
        assert "signer.server.serve" in self._targets("signer.cli.local")

    def test_imports_of_the_module_are_seen(self) -> None:
        assert "signer.errors.StepNotAllowed" in self._targets("signer.domain.lifecycle")

    def test_a_name_that_only_begins_alike_is_not_inside(self) -> None:
        found = Import(module="a", target="pkcs11_helper.x", path=Path(), line=1)
        assert not found.within("pkcs11")

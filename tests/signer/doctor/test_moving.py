"""What doctor says of a move: one line and one command for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hsm.errors import DeadlineExceeded, TokenUnavailable
from signer.bootstrap import build_reconciliation
from signer.client_ca_settings import ClientCaSettings
from signer.doctor.moving import WORDINGS, moving
from signer.domain.client_choices import CaUse, IdentityField
from signer.domain.keys import Purpose
from signer.domain.moving import MoveStep
from signer.errors import CreationUnfinished
from signer.services.lifecycle import NewKeyRequest
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, UNLIMITED, House, open_house, settings
from tests.support.memory_tokens import MemoryTokens

OLD, NEW = "soft", "hsm"
MECHANISMS = ("ECDSA", "EC_KEY_PAIR_GEN")
CA_FILE = "fleet.pem"


@dataclass(slots=True)
class Scene:
    """A key in the old token, and what the new one offers."""

    house: House
    tokens: MemoryTokens
    directory: Path
    mechanisms: tuple[str, ...] = MECHANISMS
    configured: tuple[str, ...] = (OLD, NEW)

    def create(self, name: str, purpose: Purpose, token: str = OLD) -> None:
        self.house.lifecycle.create(
            ADMIN,
            NewKeyRequest(unverified_name=name, unverified_algorithm="ecdsa-p256", purpose=purpose, tokens=(token,)),
        )

    def prepare(self, name: str = KEY, token: str = NEW) -> None:
        self.house.lifecycle.prepare(ADMIN, name, validity=UNLIMITED, tokens=(token,))

    def moved(self, name: str = KEY) -> None:
        self.prepare(name)
        self.house.rotate(name)

    def lines(self) -> list[tuple[str, str, str]]:
        chosen = settings("sqlite:////nowhere", self.directory, self.tokens.names)
        reconciliation = build_reconciliation(
            chosen, self.house.parts, self.house.application, token_names=self.tokens.names
        )
        described = replace(self.tokens.describe(NEW), mechanisms=self.mechanisms)
        tables = [
            ClientCaSettings(
                name="fleet",
                file=self.directory / CA_FILE,
                use=CaUse.DEVICE,
                field=IdentityField.CN,
                attribute="serial",
                key="device-ca",
            )
        ]
        examination: Any = SimpleNamespace(
            config=Path("/etc/signer.toml"),
            settings=SimpleNamespace(tokens=[SimpleNamespace(name=name) for name in self.configured], client_ca=tables),
            survey=lambda: reconciliation.survey(pending_age=timedelta(0)),
            tokens=[SimpleNamespace(settings=SimpleNamespace(name=NEW), description=described)],
            store=self.house.store,
        )
        return [(each.severity.value, each.sentence, each.hint or "") for each in moving(examination, OLD, NEW)]


@pytest.fixture
def scene(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Scene]:
    tokens = MemoryTokens(OLD, NEW)
    with open_house(sqlite_url, tmp_path, tokens, clock) as house:
        made = Scene(house, tokens, tmp_path)
        made.create(KEY, Purpose.ARTIFACT)
        yield made


def interrupted(scene: Scene) -> None:
    with scene.tokens.failing("generate", DeadlineExceeded(token=NEW)), pytest.raises(CreationUnfinished):
        scene.prepare()


def half_destroyed(scene: Scene) -> None:
    scene.moved()
    scene.house.lifecycle.disable(ADMIN, KEY, 1)
    with scene.tokens.failing("destroy", TokenUnavailable(token=OLD)), pytest.raises(TokenUnavailable):
        scene.house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)


def lost(scene: Scene) -> None:
    scene.prepare()
    scene.tokens.remove(scene.house.version(2).cka_id, token=NEW)


def a_key_of_the_log(scene: Scene, *others: str) -> None:
    scene.moved()
    scene.create("log", Purpose.LOG)
    for other in others:
        scene.create(other, Purpose.LOG, NEW)


def a_log_that_the_token_cannot_have(scene: Scene) -> None:
    a_key_of_the_log(scene)
    scene.mechanisms = ()


def a_pair_that_the_token_cannot_have(scene: Scene) -> None:
    scene.mechanisms = ()


def a_ca(scene: Scene, purpose: Purpose) -> None:
    scene.moved()
    scene.create(purpose.value, purpose)
    scene.prepare(purpose.value)


def a_believed_ca_of_devices(scene: Scene) -> None:
    a_ca(scene, Purpose.DEVICE_CA)
    key = scene.house.store.key("device-ca")
    (scene.directory / CA_FILE).write_text(scene.house.store.certificate(key, 2).pem)


def a_rotated_ca_of_devices(scene: Scene) -> None:
    a_ca(scene, Purpose.DEVICE_CA)
    scene.house.rotate("device-ca")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``says`` is in the first line that is not done, and its hint begins with the command ``does``."""

    act: Callable[[Scene], object]
    says: str
    does: str
    step: MoveStep


ROWS = {
    "a pair that was interrupted": Row(
        act=interrupted,
        says="key firmware version 2 (pending) is being made, or was interrupted",
        does="artifact-signer doctor --repair --config /etc/signer.toml; ",
        step=MoveStep.REPAIR,
    ),
    "a pair that is not forgotten": Row(
        act=half_destroyed,
        says="key firmware version 1 (destroying) is not forgotten by token soft yet",
        does="artifact-signer keys destroy firmware --version 1 --confirm firmware",
        step=MoveStep.DESTROY,
    ),
    "a next version in the old token": Row(
        act=lambda scene: scene.prepare(KEY, OLD),
        says="key firmware version 2 (next) was made in token soft, and would sign there",
        does="artifact-signer keys retire firmware --version 2; ",
        step=MoveStep.WITHDRAW,
    ),
    "no next version": Row(
        act=lambda _: None,
        says="key firmware version 1 (active) signs in token soft only, and there is no next version",
        does="artifact-signer keys prepare firmware --token hsm",
        step=MoveStep.PREPARE,
    ),
    "a pair that the new token cannot make": Row(
        act=a_pair_that_the_token_cannot_have,
        says="signs in token soft only, and token hsm makes no pair for ecdsa-p256",
        does="artifact-signer keys prepare firmware --token hsm --cka-id HEX; ",
        step=MoveStep.REPLACE,
    ),
    "a key of the log that the new token cannot make": Row(
        act=a_log_that_the_token_cannot_have,
        says="signs in token soft only, and token hsm makes no pair for ecdsa-p256",
        does="artifact-signer log create --token hsm --config /etc/signer.toml; ",
        step=MoveStep.REPLACE,
    ),
    "a next version that is not where it was made": Row(
        act=lost,
        says="key firmware version 2 (next) cannot be seen in hsm",
        does="repair the token first",
        step=MoveStep.AWAIT,
    ),
    "a next version in the new token": Row(
        act=lambda scene: scene.prepare(),
        says="key firmware version 2 (next) is in hsm, and token soft signs still",
        does="artifact-signer keys rotate firmware; when every device has its public key: ",
        step=MoveStep.ROTATE,
    ),
    "a next version of a CA of servers": Row(
        act=lambda scene: a_ca(scene, Purpose.SERVER_CA),
        says="key server-ca version 2 (next) is in hsm",
        does="artifact-signer keys rotate server-ca; when who trusts the CA has its certificate: "
        "artifact-signer keys certificate server-ca --version 2",
        step=MoveStep.ROTATE,
    ),
    "a next version of a CA of devices that the service does not believe": Row(
        act=lambda scene: a_ca(scene, Purpose.DEVICE_CA),
        says="fleet.pem does not hold its certificate",
        does="artifact-signer keys certificate device-ca --version 2 >> ",
        step=MoveStep.ROTATE,
    ),
    "a next version of a CA of devices that the service believes": Row(
        act=a_believed_ca_of_devices,
        says="key device-ca version 2 (next) is in hsm",
        does="artifact-signer keys rotate device-ca; ",
        step=MoveStep.ROTATE,
    ),
    "another key of the log": Row(
        act=lambda scene: a_key_of_the_log(scene, "log-hsm"),
        says="key log version 1 (active) signs checkpoints in token soft, and another key of the log does",
        does="artifact-signer keys disable log --version 1; ",
        step=MoveStep.SWITCH_OFF,
    ),
    "a former version of a CA of devices": Row(
        act=a_rotated_ca_of_devices,
        says="key device-ca version 1 (previous) signs lists of revoked certificates in token soft",
        does="artifact-signer keys retire device-ca --version 1; ",
        step=MoveStep.RETIRE,
    ),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_one_line_and_one_command(scene: Scene, sentence: str) -> None:
    row = ROWS[sentence]
    row.act(scene)
    severity, said, hint = scene.lines()[0]
    assert severity == "failed"
    assert row.says in said
    assert hint.startswith(row.does)
    assert not any("can leave" in said or "take it out" in said for _, said, _ in scene.lines())


def test_every_step_has_a_row_and_words() -> None:
    assert {row.step for row in ROWS.values()} == set(WORDINGS) == set(MoveStep)


def test_a_token_that_nothing_needs_may_leave(scene: Scene) -> None:
    scene.moved()
    assert scene.lines() == [
        ("ok", "key firmware needs token soft no more: version 2 signs in hsm", ""),
        (
            "ok",
            "nothing needs token soft: take it out of /etc/signer.toml and restart the service; "
            "then destroy what it holds with the tools of its maker",
            "",
        ),
    ]


def test_it_may_leave_also_where_it_does_not_answer(scene: Scene) -> None:
    scene.moved()
    with scene.tokens.failing(None, TokenUnavailable(token=OLD)):
        assert [severity for severity, _, _ in scene.lines()] == ["ok", "ok"]


def test_a_new_token_that_does_not_answer_proves_nothing(scene: Scene) -> None:
    scene.moved()
    with scene.tokens.failing(None, TokenUnavailable(token=NEW)):
        scene.tokens.describe = lambda _: MemoryTokens(NEW).describe(NEW)  # type: ignore[method-assign, assignment]
        ((severity, said, _),) = scene.lines()
    assert (severity, said) == ("failed", "token hsm cannot be looked into")


def test_a_new_token_that_is_not_configured(scene: Scene) -> None:
    scene.configured = (OLD,)
    assert scene.lines() == [
        (
            "failed",
            "no token named hsm is configured",
            "add it to /etc/signer.toml beside soft, and restart the service",
        )
    ]


def test_a_quarantined_version_is_told_and_keeps_nothing(scene: Scene) -> None:
    scene.tokens.substitute(scene.house.version().cka_id, token=OLD)
    scene.house.application.quarantine(scene.house.store.key(KEY), scene.house.version())
    (warning, said, hint), *_, (last, _, _) = scene.lines()
    assert (warning, last) == ("warning", "ok")
    assert said == "key firmware version 1 is quarantined, and can be enabled in token soft only"
    assert hint.startswith("artifact-signer keys disable firmware --version 1; ")

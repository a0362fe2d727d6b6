"""Applying policies: what is refused before anything is stored, and what is told of what would change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.administration import administration, configured_administration
from signer.domain.access.futility import Futility
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.api_tokens import scope_of
from signer.errors import (
    PolicyChanged,
    PolicyInvalid,
    PolicyLocksOut,
    PolicyUnchanged,
    ReasonInvalid,
    SignerError,
)
from signer.services.access_ports import ConfiguredIdentities
from signer.services.administration import Administration
from signer.services.policy_administration import PolicyProposal
from signer.storage.database import Database
from tests.signer.test_client_ca_settings import client_ca
from tests.signer.test_config import TOKEN, load
from tests.support.api_token_rows import add_api_token, revoke_api_token
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener

ACTOR = "api-token:boss"


def rules(*wanted: tuple[str, str, str], extra: str = "") -> str:
    """A policy of rules: name, principal, action."""
    text = "version = 1\n"
    for name, principal, action in wanted:
        text += f'[[rules]]\nname = "{name}"\neffect = "allow"\nprincipals = ["{principal}"]\nactions = ["{action}"]\n'
    return text + extra


# Whose a certificate or a pipeline is; neither the CA ``old`` nor the pipeline 19 is configured.
ASSIGNED = {
    "mtls:corp:ada": "ada",
    "ci:forge/18": "ada",
    "mtls:old:ada": "ada",
    "ci:forge/19": "ada",
    "mtls:corp:bob": "bob",
}
GOOD = rules(("boss", "api-token:boss", "administer"))


@dataclass(frozen=True, slots=True)
class Office:
    """``boss`` and ``clerk`` hold API tokens, ``left`` had one; Ada is a person whose token is ``ada-token``."""

    database: Database
    services: Administration

    def apply(self, text: str, **options: object) -> int:
        """The revision that it becomes."""
        members: dict[str, object] = {"text": text, "reason": "a reason", **options}
        return self.services.policies.apply(PolicyProposal(**members), actor=ACTOR).revision  # type: ignore[arg-type]


@pytest.fixture
def office(open_database: Opener, clock: ManualClock) -> Office:
    database = open_database()
    for name, role in (("boss", "administrator"), ("clerk", "signer"), ("left", "administrator"), ("ada-token", "x")):
        add_api_token(database, name, role)
    revoke_api_token(database, "left")
    add_api_token(database, "over", "administrator", expires_at=START)
    narrow = scope_of(["firmware"], ["sign"])
    add_api_token(database, "narrow", "administrator", scope=narrow)
    configured = ConfiguredIdentities(
        cas=frozenset({"corp"}), pipelines={"ci:forge/17": None, "ci:forge/18": "releases"}
    )
    made = Office(database, administration(database, clock, configured=configured))
    people = made.services.people
    people.create("ada", display=None, email=None, actor=ACTOR)
    people.assign("api-token:ada-token", "ada", actor=ACTOR)
    people.create_group("admins", actor=ACTOR)
    people.add_member("admins", "person:ada", actor=ACTOR)
    people.create("bob", display=None, email=None, actor=ACTOR)
    for identity, person in ASSIGNED.items():
        people.assign(identity, person, actor=ACTOR)
    people.disable("bob", reason="left", actor=ACTOR)
    return made


APPLIED = {
    "an API token may administer": GOOD,
    "a role may, which a valid token has": rules(("r", "role:administrator", "administer")),
    "a person may, who has a valid token": rules(("p", "person:ada", "administer")),
    "a group may, in which such a person is": rules(("g", "group:admins", "administer")),
    "a certificate may, which is a person's": rules(("m", "mtls:corp:ada", "administer")),
    "a pipeline may, which is a person's": rules(("c", "ci:forge/18", "administer")),
    "a role may, which such a pipeline has": rules(("r", "role:releases", "administer")),
}


@pytest.mark.parametrize("sentence", APPLIED)
def test_a_policy_is_applied_under_which_someone_could_apply_the_next(office: Office, sentence: str) -> None:
    assert office.apply(APPLIED[sentence]) == 2
    assert office.services.policies.show().text == APPLIED[sentence]


DENIED = '[[rules]]\nname = "no"\neffect = "deny"\nprincipals = ["api-token:boss"]\nactions = ["administer"]\n'
REFUSED: dict[str, tuple[Callable[[Office], object], type[SignerError]]] = {
    "a policy without rules": (lambda it: it.apply("version = 1\n"), PolicyLocksOut),
    "one in which nobody administers": (
        lambda it: it.apply(rules(("b", "api-token:boss", "read-log"))), PolicyLocksOut,
    ),
    "one in which a revoked token administers": (
        lambda it: it.apply(rules(("l", "api-token:left", "administer"))), PolicyLocksOut,
    ),
    "one in which a token administers that has ended": (
        lambda it: it.apply(rules(("o", "api-token:over", "administer"))), PolicyLocksOut,
    ),
    "one in which a token administers that is for signing": (
        lambda it: it.apply(rules(("n", "api-token:narrow", "administer"))), PolicyLocksOut,
    ),
    "one in which a token administers that nobody has": (
        lambda it: it.apply(rules(("n", "api-token:nobody", "administer"))), PolicyLocksOut,
    ),
    "one in which a certificate administers": (
        lambda it: it.apply(rules(("m", "mtls:corp:boss", "administer"))), PolicyLocksOut,
    ),
    "one in which a pipeline administers": (
        lambda it: it.apply(rules(("c", "ci:forge/17", "administer"))), PolicyLocksOut,
    ),
    "one in which a person's certificate administers, of a CA that is not configured": (
        lambda it: it.apply(rules(("m", "mtls:old:ada", "administer"))), PolicyLocksOut,
    ),
    "one in which a person's pipeline administers that is not configured": (
        lambda it: it.apply(rules(("c", "ci:forge/19", "administer"))), PolicyLocksOut,
    ),
    "one in which a certificate administers of a person who is disabled": (
        lambda it: it.apply(rules(("m", "mtls:corp:bob", "administer"))), PolicyLocksOut,
    ),
    "one in which a person without credentials administers": (
        lambda it: it.apply(rules(("b", "person:bob", "administer"))), PolicyLocksOut,
    ),
    "one in which an empty group administers": (
        lambda it: it.apply(rules(("e", "group:empty", "administer"))), PolicyLocksOut,
    ),
    "one that takes away what it gives": (lambda it: it.apply(GOOD + DENIED), PolicyLocksOut),
    "one that locks out, past what guards it": (
        lambda it: it.apply("version = 1\n", break_glass=True), PolicyLocksOut,
    ),
    "no TOML": (lambda it: it.apply("rules ["), PolicyInvalid),
    "an unknown member": (lambda it: it.apply(GOOD + "\nelse = 1\n"), PolicyInvalid),
    "no version": (lambda it: it.apply(GOOD.removeprefix("version = 1\n")), PolicyInvalid),
    "half of a character": (lambda it: it.apply(GOOD + "# \ud800\n"), PolicyInvalid),
    "what is in force": (lambda it: it.apply(ROLES_TEXT), PolicyUnchanged),
    "what was made for another revision": (lambda it: it.apply(GOOD, expected=2), PolicyChanged),
    "no reason": (lambda it: it.apply(GOOD, reason="  "), ReasonInvalid),
    "a reason of several lines": (lambda it: it.apply(GOOD, reason="a\nb"), ReasonInvalid),
    "a reason that is too long": (lambda it: it.apply(GOOD, reason="a" * 301), ReasonInvalid),
    "a look at a policy that locks out": (lambda it: it.services.policies.preview("version = 1\n"), PolicyLocksOut),
    "a look at no policy": (lambda it: it.services.policies.preview("]"), PolicyInvalid),
    "a look at what is in force": (lambda it: it.services.policies.preview(ROLES_TEXT), PolicyUnchanged),
    "a look at what was made for another": (
        lambda it: it.services.policies.preview(GOOD, expected=7), PolicyChanged,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused_and_the_policy_is_what_it_was(office: Office, sentence: str) -> None:
    step, error = REFUSED[sentence]
    with pytest.raises(error):
        step(office)
    assert office.services.policies.show().text == ROLES_TEXT


def test_who_lost_the_only_credential_that_administers_is_counted_no_more(office: Office) -> None:
    office.services.people.disable("ada", reason="left", actor=ACTOR)
    with pytest.raises(PolicyLocksOut) as refusal:
        office.apply(APPLIED["a person may, who has a valid token"])
    assert refusal.value.looked_at == 3


def test_a_look_says_what_would_change_for_whom_and_changes_nothing(office: Office) -> None:
    kept = ROLES_TEXT[: ROLES_TEXT.index('[[rules]]\nname = "role-auditor"')]
    text = kept.replace('actions = ["sign", "read"]', 'actions = ["sign"]') + GOOD.removeprefix("version = 1\n")
    preview = office.services.policies.preview(text)
    told = [(each.change.value, each.name, whom) for each, whom in zip(preview.changes, preview.concerned, strict=True)]
    assert told == [
        ("added", "boss", ("api-token:boss",)),
        ("removed", "role-auditor", ()),
        ("removed", "role-reader", ()),
        ("changed", "role-signer", ("api-token:clerk",)),
    ]
    assert (preview.revision, preview.administrators) == (2, ("api-token:boss",))
    assert office.services.policies.show().revision == 1


def test_rules_in_another_order_change_nothing(office: Office) -> None:
    first, *others = ROLES_TEXT.partition("[[rules]]\n")[2].split("[[rules]]\n")
    text = "version = 1\n" + "".join(f"[[rules]]\n{each}\n" for each in (*others, first))
    assert office.services.policies.preview(text).changes == ()


def test_a_policy_that_cannot_be_read_any_more_can_be_replaced(office: Office, clock: ManualClock) -> None:
    from signer.domain.policy_events import applied_event
    from signer.services.access_ports import NewPolicy
    from signer.storage.policy_store import SqlPolicyStore, text_digest

    unread = NewPolicy(
        text="of a later release", sha256=text_digest("of a later release"), expected=1, actor=ACTOR, reason="x",
        break_glass=False,
    )  # fmt: skip
    event = applied_event(
        revision=2, text=unread.text, sha256=unread.sha256, rules=0, actor=ACTOR, reason="x", break_glass=False
    )
    SqlPolicyStore(database=office.database, clock=clock).apply(unread, event)
    with pytest.raises(PolicyInvalid):
        # Nobody knows what it guards.
        office.apply(GOOD)
    assert office.apply(GOOD, break_glass=True) == 3


def test_whoever_is_second_is_told(office: Office) -> None:
    office.apply(GOOD, expected=1)
    with pytest.raises(PolicyChanged):
        office.apply(APPLIED["a person may, who has a valid token"], expected=1)


def test_what_can_do_nothing_is_told_and_applied(office: Office) -> None:
    text = rules(
        ("boss", "api-token:boss", "administer"),
        ("gone", "api-token:left", "administer"),
        ("crew", "group:crew", "administer"),
        ("old", "mtls:old:ada", "administer"),
        ("new", "mtls:corp:whoever", "administer"),
    )
    told = office.services.policies.preview(text).futile
    nobody = Futility.UNKNOWN_PRINCIPAL
    assert [(each.rule, each.why, each.about) for each in told] == [
        ("gone", nobody, "api-token:left"),
        ("crew", nobody, "group:crew"),
        ("old", nobody, "mtls:old:ada"),
    ]
    assert office.apply(text) == 2
    assert office.services.policies.futile() == told


def test_a_ca_of_devices_proves_nobody(open_database: Opener, clock: ManualClock, tmp_path: Path) -> None:
    database = open_database()
    settings = load(tmp_path, TOKEN + client_ca(name='"corp"') + client_ca(name='"fleet"', use='"device"', field=""))
    services = configured_administration(settings, database, clock)
    services.people.create("ada", display=None, email=None, actor=ACTOR)
    for ca in ("corp", "fleet"):
        services.people.assign(f"mtls:{ca}:ada", "ada", actor=ACTOR)
    refused, taken = (rules(("m", f"mtls:{ca}:ada", "administer")) for ca in ("fleet", "corp"))
    with pytest.raises(PolicyLocksOut):
        services.policies.apply(PolicyProposal(text=refused, reason="x"), actor=ACTOR)
    assert services.policies.apply(PolicyProposal(text=taken, reason="x"), actor=ACTOR).revision == 2

"""``artifact-signer keys plan``: how a key that was once in a file is left behind, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from signer.cli.connection import connected
from signer.cli.output import show_json
from signer.client import key_path
from signer.domain.key_plan import KeyPlan, PlannedStep, PlanStep, Progress, VersionFacts, key_plan
from signer.domain.keys import Origin, Purpose, VersionState

FOLDER = "device-keys"


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def plan(name: str, *, as_json: bool) -> None:
    """Say which step comes next until no device trusts a key of NAME that was outside a token."""
    with connected() as client:
        key = client.read(key_path(name))
    planned = key_plan([_facts(version) for version in key["versions"]], Purpose(key["purpose"]))
    steps = [] if planned is None else [_document(name, planned, step, key) for step in planned.steps]
    if as_json:
        show_json({"key": name, "steps": steps})
        return
    if planned is None:
        click.echo(f"no version of key {name} was ever outside a token: there is nothing to leave behind")
        return
    for step in steps:
        click.echo(f"{step['progress']:5} {step['step']}: {step['means']}")
        if step["progress"] != Progress.NEXT:
            continue
        for condition in step["before"]:
            click.echo(f"      before: {condition}")
        for command in step["commands"]:
            click.echo(f"      run: {command}")
    if planned.steps[-1].progress is Progress.DONE:
        click.echo(f"devices that have the exported keys of {name} trust no key that was outside a token")


COMMANDS = (plan,)


def _facts(version: Mapping[str, Any]) -> VersionFacts:
    signed = version["last_signed_at"]
    return VersionFacts(
        number=version["version"],
        state=VersionState(version["state"]),
        origin=Origin(version["origin"]),
        created_at=datetime.fromisoformat(version["created_at"]),
        last_signed_at=None if signed is None else datetime.fromisoformat(signed),
    )


def _document(name: str, planned: KeyPlan, step: PlannedStep, key: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "step": step.step.value,
        "progress": step.progress.value,
        "version": step.version,
        "means": _meaning(planned, step),
        "before": _conditions(planned, step.step, key),
        "commands": _commands(name, planned, step),
    }


def _meaning(planned: KeyPlan, step: PlannedStep) -> str:
    old = planned.outside
    new = "the next version" if planned.inside is None else f"version {planned.inside.number}"
    match step.step:
        case PlanStep.IMPORT if old.origin is Origin.PUBLIC_KEY:
            return f"version {old.number} is a public key that devices trust, its private half signs elsewhere"
        case PlanStep.IMPORT:
            return f"version {old.number} was in a file and is in the token, last signed {_moment(old.last_signed_at)}"
        case PlanStep.PREPARE:
            return f"{new} is born in the token and published, and does not sign"
        case PlanStep.SHIP:
            return f"devices get the key of {new} in an artifact that version {old.number} signs"
        case PlanStep.ROTATE:
            return f"{new} signs, and version {old.number} no more"
        case PlanStep.RETIRE:
            return f"devices are told to trust version {old.number} no more"


def _conditions(planned: KeyPlan, step: PlanStep, key: Mapping[str, Any]) -> list[str]:
    old, new = planned.outside, planned.inside
    match step:
        case PlanStep.PREPARE if planned.waits is not None:
            waits = planned.waits.number
            return [f"version {waits} waits as the next one and was outside too: rotate to it, or retire it"]
        case PlanStep.SHIP if new is not None:
            return [f"nothing was signed by version {old.number} since version {new.number} exists, so no artifact "
                    "can have brought its key"]  # fmt: skip
        case PlanStep.ROTATE if key["purpose"] != Purpose.ARTIFACT:
            return ["whoever verifies its tokens has fetched the keys since the new version exists"]
        case PlanStep.ROTATE:
            return [
                "every device that is to be updated has installed the new key: the service does not know, your "
                "deployments do",
                f"a device that has not accepts nothing more: version {old.number} signed last "
                f"{_moment(old.last_signed_at)}",
            ]
        case PlanStep.RETIRE:
            return [
                f"nothing that version {old.number} signed is to be installed or believed any more, signed last "
                f"{_moment(old.last_signed_at)}"
            ]
    return []


def _commands(name: str, planned: KeyPlan, step: PlannedStep) -> list[str]:
    export = f"artifact-signer keys export {name} --dir {FOLDER}"
    match step.step:
        case PlanStep.PREPARE if planned.waits is None:
            return [f"artifact-signer keys prepare {name}"]
        case PlanStep.SHIP:
            return [export, f"artifact-signer sign --key {name} -o SIGNED ARTIFACT, which holds the files of {FOLDER}"]
        case PlanStep.ROTATE:
            return [f"artifact-signer keys rotate {name}"]
        case PlanStep.RETIRE:
            return [f"artifact-signer keys retire {name} --version {step.version}", f"{export}, and ship it"]
    return []


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")

"""Whether a token can leave the configuration: what is left to do for each of its keys, with the command that does it.

Beside ``checks.CHECKS``: it is asked for by name, by somebody who moves keys from one token to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from hsm.algorithms import Algorithm
from hsm.mechanisms import can_generate, can_sign
from signer.doctor.device_certificates import believes
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, warning
from signer.domain.keys import Key, Purpose, VersionState
from signer.domain.moving import Move, MoveStep, Tokens, moved, remaining

Wording = Callable[[Examination, Move, str, str], Finding]

DEVICES = "when every device has its public key: artifact-signer keys export {key} --dir DIRECTORY"
# Who has to know the next version before it signs; the command comes before it.
WHEN = MappingProxyType(
    {
        Purpose.LOG: "when who verifies the log has its key: both sign until then, GET /v1/log/keys lists them",
        Purpose.USER_TOKEN: "tokens of the version before hold until they end",
        Purpose.DEVICE_TOKEN: "tokens of the version before hold until they end",
        Purpose.SERVER_CA: "when who trusts the CA has its certificate: "
        "artifact-signer keys certificate {key} --version {version}",
        Purpose.DEVICE_CA: "certificates of the version before hold until they end",
        Purpose.TRUST_ROOT: "when who trusts it has its public key",
        Purpose.ARTIFACT: DEVICES,
    }
)


def moving(examination: Examination, source: str, target: str) -> Iterator[Finding]:
    """What keeps ``source`` in the configuration while keys go from it to ``target``; ok where nothing does."""
    configured = [token.name for token in examination.settings.tokens]
    if target not in configured:
        yield failed(
            f"no token named {target} is configured",
            f"add it to {examination.config} beside {source}, and restart the service",
        )
        return
    survey = examination.survey()
    if target not in survey.key_pairs:
        yield failed(f"token {target} cannot be looked into", "repair the token first: artifact-signer doctor")
        return
    tokens = Tokens(source=source, configured=configured, held=survey.key_pairs, makes=_makes(examination, target))
    yield from _lost(survey.keys, source)
    left = remaining(survey.keys, tokens)
    for move in left:
        yield WORDINGS[move.step](examination, move, source, target)
    for key in moved(survey.keys, tokens):
        yield ok(f"key {key.name} needs token {source} no more{_signs(key)}")
    if not left:
        yield _may_leave(examination, source, known=source in configured)


def _makes(examination: Examination, target: str) -> frozenset[Algorithm]:
    (description,) = [token.description for token in examination.tokens if token.settings.name == target]
    offered = description.mechanisms if description is not None else ()
    return frozenset(each for each in Algorithm if can_generate(each, offered) and can_sign(each, offered))


def _lost(keys: tuple[Key, ...], source: str) -> Iterator[Finding]:
    """What cannot be had back without the old token; it does not keep it."""
    for key in keys:
        version = key.in_state(VersionState.QUARANTINED)
        if version is not None and source in version.home:
            yield warning(
                f"key {key.name} version {version.number} is quarantined, and can be enabled in token {source} only",
                f"artifact-signer keys disable {key.name} --version {version.number}; or find out what became of it",
            )


def _signs(key: Key) -> str:
    if key.active is None:
        return ": no version of it signs"
    return f": version {key.active.number} signs in {', '.join(key.active.home)}"


def _may_leave(examination: Examination, source: str, *, known: bool) -> Finding:
    if not known:
        return ok(f"nothing needs token {source}, which is not in the configuration")
    return ok(
        f"nothing needs token {source}: take it out of {examination.config} and restart the service; "
        "then destroy what it holds with the tools of its maker"
    )


def _about(move: Move) -> str:
    return f"key {move.key.name} version {move.version.number} ({move.version.state})"


def _repair(examination: Examination, move: Move, _source: str, _target: str) -> Finding:
    return failed(
        f"{_about(move)} is being made, or was interrupted",
        f"artifact-signer doctor --repair --config {examination.config}; a making that is under way ends by itself",
    )


def _destroy(_: Examination, move: Move, source: str, _target: str) -> Finding:
    name, number = move.key.name, move.version.number
    return failed(
        f"{_about(move)} is not forgotten by token {source} yet",
        f"artifact-signer keys destroy {name} --version {number} --confirm {name}",
    )


def _withdraw(_: Examination, move: Move, source: str, target: str) -> Finding:
    name, number = move.key.name, move.version.number
    return failed(
        f"{_about(move)} was made in token {source}, and would sign there",
        f"artifact-signer keys retire {name} --version {number}; the one after it is made in token {target}",
    )


def _prepare(_: Examination, move: Move, source: str, target: str) -> Finding:
    return failed(
        f"{_about(move)} signs in token {source} only, and there is no next version",
        f"artifact-signer keys prepare {move.key.name} --token {target}",
    )


def _replace(examination: Examination, move: Move, source: str, target: str) -> Finding:
    name, algorithm = move.key.name, move.key.algorithm
    told = f"{_about(move)} signs in token {source} only, and token {target} makes no pair for {algorithm}"
    if move.key.purpose is Purpose.LOG:
        command = f"artifact-signer log create --token {target} --config {examination.config}"
        return failed(told, f"{command}; it makes a key of a kind that the token can make")
    return failed(
        told,
        f"artifact-signer keys prepare {name} --token {target} --cka-id HEX; with a pair that the tools of its maker "
        "made there. Where it cannot sign with such pairs, create a key of another algorithm",
    )


def _await(_: Examination, move: Move, _source: str, _target: str) -> Finding:
    return failed(
        f"{_about(move)} cannot be seen in {', '.join(move.version.home)}",
        "repair the token first: artifact-signer doctor",
    )


def _rotate(examination: Examination, move: Move, source: str, _target: str) -> Finding:
    key, number = move.key, move.version.number
    for table in examination.settings.client_ca:
        if table.key == key.name and not believes(table, key, number, examination.store):
            return failed(
                f"{_about(move)} is not believed yet: {table.file} does not hold its certificate",
                f"artifact-signer keys certificate {key.name} --version {number} >> {table.file}; "
                "then send the service HUP",
            )
    when = WHEN[key.purpose].format(key=key.name, version=number)
    return failed(
        f"{_about(move)} is in {', '.join(move.version.home)}, and token {source} signs still",
        f"artifact-signer keys rotate {key.name}; {when}",
    )


def _switch_off(_: Examination, move: Move, source: str, _target: str) -> Finding:
    name, number = move.key.name, move.version.number
    return failed(
        f"{_about(move)} signs checkpoints in token {source}, and another key of the log does in another token",
        f"artifact-signer keys disable {name} --version {number}; when who verifies the log has the other key: "
        "GET /v1/log/keys lists both",
    )


def _retire(_: Examination, move: Move, source: str, _target: str) -> Finding:
    name, number = move.key.name, move.version.number
    return failed(
        f"{_about(move)} signs lists of revoked certificates in token {source}",
        f"artifact-signer keys retire {name} --version {number}; when the last certificate that it issued has ended",
    )


WORDINGS: Mapping[MoveStep, Wording] = MappingProxyType(
    {
        MoveStep.REPAIR: _repair,
        MoveStep.DESTROY: _destroy,
        MoveStep.WITHDRAW: _withdraw,
        MoveStep.PREPARE: _prepare,
        MoveStep.REPLACE: _replace,
        MoveStep.AWAIT: _await,
        MoveStep.ROTATE: _rotate,
        MoveStep.SWITCH_OFF: _switch_off,
        MoveStep.RETIRE: _retire,
    }
)

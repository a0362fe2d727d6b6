"""The tokens: their modules, whether they are there, their PINs and what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hsm import TokenDescription, TokenState
from hsm.algorithms import Algorithm
from hsm.errors import (
    ConfigurationError,
    ExtraMissing,
    ModuleMissing,
    PinAtRisk,
    PinLocked,
    PinRejected,
    TokenAmbiguous,
    TokenError,
    TokenNotFound,
)
from hsm.mechanisms import can_generate, can_sign
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, Unchecked, failed, ok, warning
from signer.doctor.tokens import TokenCondition, configured
from signer.domain.keys import Key, VersionState
from signer.errors import SignerError

LOCKED = "the security officer of the token has to set the PIN anew"
FINAL_TRY = "find out who tries PINs; then log in once with the right one, with the tools of the token's maker"
CORRECT_PIN = "correct the PIN where the setting pin of the token says it is; a source that changed is tried once"


def modules(examination: Examination) -> Iterator[Finding]:
    """The file of each PKCS#11 module is there and can be loaded."""
    seen: set[Path] = set()
    for token in examination.tokens:
        path = configured(examination.settings, token.settings).module_path
        if path in seen:
            continue
        seen.add(path)
        if isinstance(token.error, ModuleMissing):
            yield failed(
                f"the PKCS#11 module {path} cannot be used: {token.error.reason}",
                "install the module, or correct module-path in the uri of the token",
            )
        elif isinstance(token.error, ExtraMissing):
            yield failed("the package python-pkcs11 is missing", token.error.command)
        else:
            yield ok(f"the PKCS#11 module {path} is there")


def presence(examination: Examination) -> Iterator[Finding]:
    """Each configured token is in a slot, initialised, and can be written."""
    for token in examination.tokens:
        name = token.settings.name
        if token.description is None:
            yield failed(f"token {name} {_absence(token.error)}", "artifact-signer tokens lists what the module shows")
        elif not token.description.user_pin_initialized:
            yield failed(f"token {name} has no user PIN yet", "set it with the tools of the token's maker")
        elif token.description.write_protected:
            yield warning(
                f"token {name} is write-protected: it signs, but no key can be made or destroyed in it",
                "lift the protection before the next rotation",
            )
        else:
            yield ok(f"token {name} is in slot {token.description.slot_id} ({token.description.slot_description})")


def pins(examination: Examination) -> Iterator[Finding]:
    """The token takes the PIN. Where its flags tell of a refused one, none is tried and the line says so."""
    for token in examination.tokens:
        name = token.settings.name
        if token.description is None:
            yield warning(f"token {name}: the PIN was not checked, the token does not answer", "repair the token first")
        elif not token.openable:
            yield _not_tried(token, token.description)
        else:
            yield _tried(examination, token)


def mechanisms(examination: Examination) -> Iterator[Finding]:
    """Each token offers what the algorithms of its keys need; without keys, which algorithms it offers."""
    try:
        keys = examination.store.all_keys()
    except (Unchecked, SignerError):
        keys = ()
    for token in examination.tokens:
        if token.description is None:
            continue
        name, offered = token.settings.name, frozenset(token.description.mechanisms)
        used = {key.algorithm for key in keys if name in _homes(key)}
        lacking = sorted(algorithm for algorithm in used if not can_sign(algorithm, offered))
        unmakeable = sorted(algorithm for algorithm in used if not can_generate(algorithm, offered))
        if lacking:
            yield failed(
                f"token {name} has no mechanism to sign with {', '.join(lacking)}",
                "enable the mechanism in the token, or rotate to a key in another one",
            )
        elif unmakeable:
            yield warning(
                f"token {name} cannot make pairs for {', '.join(unmakeable)}",
                "make the pair for the next version with the tools of the token's maker, and adopt it",
            )
        else:
            able = ", ".join(algorithm for algorithm in Algorithm if can_sign(algorithm, offered))
            yield ok(f"token {name} signs with {able or 'no algorithm of this service'}")


def _homes(key: Key) -> tuple[str, ...]:
    """Where its versions sign now and where the next one will."""
    following = key.in_state(VersionState.NEXT)
    return (*key.tokens, *(following.home if following else ()))


def _absence(error: TokenError | None) -> str:
    if isinstance(error, TokenNotFound):
        return "is in no slot of its module"
    if isinstance(error, TokenAmbiguous):
        return f"is not the only one: {error.count} tokens match its uri"
    if isinstance(error, ConfigurationError):
        return f"cannot be opened: {error.setting}: {error.reason}"
    return f"does not answer ({error.code}: {error.reason})" if error else "does not answer"


def _not_tried(token: TokenCondition, description: TokenDescription) -> Finding:
    name = token.settings.name
    if description.user_pin_locked:
        return failed(
            f"token {name} has locked its PIN: no login was tried",
            LOCKED,
        )
    if description.user_pin_final_try:
        return failed(
            f"token {name} has one attempt left before it locks its PIN: no login was tried",
            FINAL_TRY,
        )
    if description.user_pin_count_low:
        return failed(
            f"token {name} refused a PIN since it last took one: no login was tried",
            f"{CORRECT_PIN}; one login with the right PIN clears the count",
        )
    return warning(f"token {name}: the PIN was not checked, {token.pin_obstacle}", "run doctor where the service runs")


def _tried(examination: Examination, token: TokenCondition) -> Finding:
    name = token.settings.name
    health = next(item for item in examination.opened() if item.name == name)
    if health.state is TokenState.READY:
        return ok(f"token {name} takes the PIN")
    match health.last_error:
        case PinAtRisk.code:
            return failed(f"token {name} has one attempt left before it locks its PIN: no login was tried", FINAL_TRY)
        case PinRejected.code:
            return failed(f"token {name} refuses the PIN", CORRECT_PIN)
        case PinLocked.code:
            return failed(f"token {name} has locked its PIN", LOCKED)
        case ConfigurationError.code:
            return failed(f"token {name} was not logged in to: its PIN cannot be read, or is not one line", CORRECT_PIN)
    return failed(
        f"token {name} cannot be logged in to: {health.last_error or 'it does not answer in time'}",
        "artifact-signer tokens shows what it says without login; look at the log of its maker's software",
    )

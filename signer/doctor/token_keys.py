"""The keys of the tokens of users and devices: there, of the right purpose, and with a version that signs."""

from __future__ import annotations

from collections.abc import Iterator

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok
from signer.domain.keys import Key
from signer.domain.token_claims import TokenKind
from signer.storage.issued_tokens import kinds_in_use
from signer.storage.key_store import SqlKeyStore
from signer.token_bootstrap import token_terms

SUBJECTS = {TokenKind.USER: "users", TokenKind.DEVICE: "devices"}


def token_keys(examination: Examination) -> Iterator[Finding]:
    """As the module says, for the kinds of tokens that this installation gives out."""
    database = examination.usable_database()
    used = kinds_in_use(database)
    if not used:
        yield ok("there are no users and no devices, nobody needs tokens")
        return
    store = SqlKeyStore(database=database, clock=examination.surroundings.clock)
    keys = {key.name: key for key in store.all_keys()}
    terms = token_terms(examination.settings)
    problems = [finding for kind in sorted(used) if (finding := _problem(kind, terms[kind].key, keys)) is not None]
    yield from or_ok(
        problems, f"the keys of the tokens of {' and '.join(SUBJECTS[kind] for kind in sorted(used))} sign"
    )


def _problem(kind: TokenKind, name: str, keys: dict[str, Key]) -> Finding | None:
    subjects, key = SUBJECTS[kind], keys.get(name)
    if key is None:
        return failed(
            f"there are {subjects}, and no key {name} that signs their tokens",
            f"artifact-signer keys create {name} --algorithm ecdsa-p256 --purpose {kind.purpose}",
        )
    if key.purpose is not kind.purpose:
        return failed(
            f"the key {name} is for {key.purpose}, and cannot sign the tokens of {subjects}",
            f"create a key of purpose {kind.purpose}, and name it in the setting {kind}_tokens.key",
        )
    if key.active is None:
        return failed(
            f"no version of the key {name} signs, and {subjects} get no tokens",
            f"artifact-signer keys show {name}; enable a version, or prepare one and rotate",
        )
    return None

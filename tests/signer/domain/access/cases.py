"""What tests of rules are made of: short ways to artifacts, identities, policies and decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from signer.domain.access.actions import Action
from signer.domain.access.deciding import decide
from signer.domain.access.decisions import Decision, KeyFacts
from signer.domain.access.patterns import Patterns
from signer.domain.access.policy import Policy
from signer.domain.access.reading import parse_policy
from signer.domain.identity import Identity, Scope
from signer.domain.keys import Purpose
from signer.domain.requests import ArtifactSeen, HeadSeen, ManifestSeen, SigningRequest
from tests.support.artifacts_seen import header, manifest
from verifier import FindingCode

# A Sunday.
NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
BUILD = Identity(name="ci:github/1")


def policy(rules: str, *, head: str = "version = 1") -> Policy:
    """A policy of these rules; each begins with its ``[[rules]]``."""
    return parse_policy(f"{head}\n{rules}", revision=7)


def rule(when: str = "", *, name: str = "fw-build", effect: str = "allow", **members: str) -> str:
    """A rule that lets the build sign with the key fw, with other members where they are given."""
    said = {
        "principals": '["ci:github/1"]',
        "actions": '["sign"]',
        "keys": '["fw"]',
        "when": f"{{ {when} }}" if when else "",
        **members,
    }
    lines = [f"{member} = {value}" for member, value in said.items() if value]
    return "\n".join(["[[rules]]", f'name = "{name}"', f'effect = "{effect}"', *lines, ""])


def manifest_seen(*files: str) -> ManifestSeen:
    """A manifest alone."""
    return ManifestSeen(manifest=manifest(*files))


def head_seen(*files: str, findings: frozenset[FindingCode] = frozenset(), **members: Any) -> HeadSeen:
    """A head with these members of its header."""
    return HeadSeen(manifest=manifest(*files), header=header(**members), findings=findings)


def artifact_seen(
    *files: str, size: int = 1000, findings: frozenset[FindingCode] = frozenset(), **members: Any
) -> ArtifactSeen:
    """A whole artifact with these members of its header."""
    return ArtifactSeen(
        manifest=manifest(*files), header=header(**members), findings=findings, sizes={"rootfs.ext4": size}
    )


def decided(
    rules: Policy,
    request: SigningRequest | None,
    *,
    who: Identity = BUILD,
    action: Action = Action.SIGN,
    key: str | None = "fw",
    at: datetime = NOW,
    purpose: Purpose | None = Purpose.ARTIFACT,
    emergency: bool = False,
) -> Decision:
    """What the rules say."""
    facts = None if key is None else KeyFacts(name=key, purpose=purpose)
    return decide(rules, who, action, key=facts, request=request, at=at, emergency=emergency)


def scoped(*, keys: str, actions: str) -> Identity:
    """The build with a credential of less."""
    scope = Scope(keys=Patterns.of(*keys.split()), actions=frozenset(map(Action, actions.split())))
    return Identity(name=BUILD.name, scope=scope)

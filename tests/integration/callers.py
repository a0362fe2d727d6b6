"""People and pipelines with API tokens of their own, made over the API of a running service."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation

_changes = itertools.count()


@dataclass(frozen=True, slots=True)
class Callers:
    """An API token for everybody; those but the one of ``admin`` were made by it."""

    installation: Installation
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, *, at: Installation | None = None, **content: Any) -> Any:
        """One request. ``at``: of another service on the same database."""
        token = self.installation.api_token if who == "admin" else self.tokens[who]
        headers = {"Authorization": f"Bearer {token}", **content.pop("headers", {})}
        with (at or self.installation).http(headers=headers) as http:
            return http.request(method, path, **content)

    def manage(self, path: str, document: dict[str, Any], *, at: Installation | None = None) -> dict[str, Any]:
        """As the administrator, who has to be allowed."""
        with (at or self.installation).http() as http:
            answer = http.post(path, json=document)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def apply(self, rules: str) -> None:
        """Put a policy in force."""
        self.manage("/v1/policy", {"text": f"{rules}\n# {next(_changes)}\n", "reason": "a test"})

    def group(self, name: str, *people: str) -> None:
        """A group of people, each with an API token."""
        self.manage("/v1/groups", {"name": name})
        for person in people:
            self.manage("/v1/people", {"name": person})
            self.manage(f"/v1/groups/{name}/add", {"member": f"person:{person}"})
            self.token(person, person=person)

    def token(self, name: str, **members: str) -> None:
        """An API token."""
        self.tokens[name] = self.manage("/v1/api-tokens", {"name": name, **members})["api_token"]

    def connection(self, who: str, at: Installation) -> httpx.Client:
        """A connection that is kept, for many requests."""
        return at.http(headers={"Authorization": f"Bearer {self.tokens[who]}"})

    def sign(self, who: str, name: str, *, at: Installation | None = None, **content: Any) -> httpx.Response:
        """The signature of an artifact of this name."""
        artifact = ArtifactBuilder(name=name).build()
        answer = self.ask(who, "POST", "/v1/keys/firmware/signatures", at=at, content=artifact, **content)
        assert isinstance(answer, httpx.Response)
        return answer

    def vote(self, facts: dict[str, Any], person: str, *, at: Installation | None = None) -> int:
        """The status of a vote for what waits."""
        path, vote = f"/v1/approvals/{facts['approval']}/votes", {"decision": "approve", "sha256": facts["sha256"]}
        return int(self.ask(person, "POST", path, at=at, json=vote).status_code)

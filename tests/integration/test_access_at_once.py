"""What is taken away is gone in all workers at once: rules, people, members of groups."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, command, initialise, running
from tests.support.rows import slow_but

CONNECTIONS = 8
PATIENCE_SECONDS = 20.0
BUILD = """
[[rules]]
name = "build"
effect = "allow"
principals = ["{principal}"]
actions = ["sign"]
keys = ["firmware"]
[rules.when]
checked = "head"
artifact_name = ["release-*"]
version = {{ from = "artifact_name", prefix = "release-", order = "numeric" }}
"""
ADMIN = """version = 1
[[rules]]
name = "admin"
effect = "allow"
principals = ["role:administrator"]
actions = ["administer", "read-log", "manage", "read"]
keys = ["*"]
"""
_numbers = itertools.count(100)


@dataclass(frozen=True, slots=True)
class Site:
    """A service of two workers, and connections that both of them hold. Ada holds the API token ``build``."""

    installation: Installation
    builders: list[httpx.Client]

    def run(self, *arguments: str | Path) -> None:
        """A command over the API."""
        done = self.installation.run(*arguments)
        assert done.returncode == 0, done.stderr

    def apply(self, text: str) -> None:
        """Put a policy in force, over the API."""
        file = self.installation.directory / "next.toml"
        file.write_text(f"{text}\n# {next(_numbers)}\n")
        self.run("policy", "apply", file, "--reason", "a test")

    def answers(self) -> set[tuple[int, str]]:
        """Status and code of a new release, asked for over every connection."""
        return {self._sign(builder, f"release-{next(_numbers)}") for builder in self.builders}

    def _sign(self, builder: httpx.Client, name: str) -> tuple[int, str]:
        answer = builder.post("/v1/keys/firmware/signatures", content=ArtifactBuilder(name=name).build())
        return answer.status_code, answer.json().get("code", "")

    def sign(self, name: str) -> tuple[int, str]:
        """One release."""
        return self._sign(self.builders[0], name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    installation = initialise(tmp_path_factory.mktemp("at-once"))
    with running(installation, SERVER_WORKERS="2"), ExitStack() as connections:
        for words in (
            ["keys", "create", "firmware", "--algorithm", "ecdsa-p256"],
            ["people", "create", "ada"],
            ["groups", "create", "builders"],
            ["groups", "add", "builders", "person:ada"],
        ):
            done = installation.run(*words)
            assert done.returncode == 0, done.stderr
        made = command("api-tokens", "create", "build", "--person", "ada", "--config", installation.config)
        assert made.returncode == 0, made.stderr
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        builders = [connections.enter_context(installation.http(headers=headers)) for _ in range(CONNECTIONS)]
        yield Site(installation, builders)


@pytest.fixture
def allowed(site: Site) -> Site:
    """The group of builders may sign, and every connection did."""
    site.apply(ADMIN + BUILD.format(principal="group:builders"))
    # A worker may take a second to learn what is given: nothing is promised of that.
    begun = time.monotonic()
    while (answers := site.answers()) != {(200, "")}:
        assert time.monotonic() - begun < PATIENCE_SECONDS, answers
    return site


TAKEN: dict[str, tuple[Callable[[Site], None], Callable[[Site], None], tuple[int, str]]] = {
    "the rule": (lambda it: it.apply(ADMIN), lambda _: None, (404, "key-not-found")),
    "the person": (
        lambda it: it.run("people", "disable", "ada", "--reason", "left"),
        lambda it: it.run("people", "enable", "ada", "--reason", "back"),
        (401, "credentials-rejected"),
    ),
    "the member of the group": (
        lambda it: it.run("groups", "remove", "builders", "person:ada"),
        lambda it: it.run("groups", "add", "builders", "person:ada"),
        (404, "key-not-found"),
    ),
}


@pytest.mark.parametrize("sentence", slow_but({"the rule"}, TAKEN))
def test_what_is_taken_away_is_gone_over_every_connection(allowed: Site, sentence: str) -> None:
    take, give_back, answer = TAKEN[sentence]
    take(allowed)
    try:
        # Who was proved with other groups a moment ago is asked to prove it again.
        assert allowed.answers() <= {answer, (401, "credentials-rejected")}
        assert allowed.answers() == {answer}
    finally:
        give_back(allowed)


@pytest.mark.slow
def test_versions_do_not_go_back_until_a_person_says_so(allowed: Site) -> None:
    assert allowed.sign("release-999999") == (200, "")
    assert allowed.answers() == {(403, "version-too-old")}
    place = ["firmware", "corpus-device", "corpus-module"]
    allowed.run("policy", "floor", "set", *place, "--version", "1", "--order", "numeric", "--reason", "a mistake")
    assert allowed.answers() == {(200, "")}
    # Releases that are on record are given out no sooner.
    assert allowed.sign("release-2") == (403, "version-too-old")
    assert command("log", "verify", "--config", allowed.installation.config).returncode == 0


def test_a_policy_that_locks_everybody_out_is_refused_over_the_api(allowed: Site) -> None:
    file = allowed.installation.directory / "nobody.toml"
    file.write_text("version = 1\n")
    done = allowed.installation.run("policy", "apply", file, "--reason", "x")
    assert (done.returncode, "could apply the next one" in done.stderr) == (1, True)
    assert allowed.answers() == {(200, "")}

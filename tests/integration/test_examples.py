"""The examples of docs/api/routes.md, run as they stand there by bash and curl against one running service.

They are of one installation, from its first key on, and run in an order in which each finds what it is about.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.integration.example_place import Place
from tests.integration.examples import PREPARATIONS
from tests.integration.running import initialise, running
from tests.support.certificates import self_signed
from tests.support.ci_issuer import running_issuer
from tests.support.client_cas import new_ca
from tests.support.user_site import EMAIL, PASSWORD

TEXT = (DOCS / "api" / "routes.md").read_text(encoding="utf-8")
_EXAMPLE = re.compile(r"^### `(\w+ /\S*)`$(?:(?!^##).)*?^```sh\n(.+?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = {match[1]: match[2] for match in _EXAMPLE.finditer(TEXT)}
# How the examples begin, on the page.
(BEGINNING,) = re.findall(r"## About the examples.*?```sh\n(.+?)```", TEXT, re.DOTALL)
FIRST = (
    *("POST /v1/keys", "POST /v1/keys/{key}/blind-sign", "POST /v1/people", "POST /v1/groups"),
    *("POST /v1/groups/{name}/add", "POST /v1/api-tokens"),
)
# What takes away what others need.
LAST = (
    *(f"POST /v1/keys/{{key}}/versions/{{n}}/{step}" for step in ("retire", "disable", "enable", "destroy")),
    *(route for route in EXAMPLES if route.partition(" ")[2].startswith("/v1/approvals")),
)
ORDER = [*FIRST, *(route for route in EXAMPLES if route not in (*FIRST, *LAST)), *LAST]
SETTINGS = """
[[ci_issuer]]
name = "github"
issuer = "{issuer.url}"
kind = "github"
audience = "{audience}"
ca_file = "{issuer.ca_file}"

[[ci_identity]]
issuer = "github"
id = "456789"
owner_id = "123456"
claims = {{ ref = "refs/heads/main" }}

[[client_ca]]
name = "builds"
file = "{ca}"
use = "identity"
field = "cn"

[[client_ca]]
name = "fleet"
file = "fleet.pem"
use = "device"
field = "cn"
attribute = "serial"
key = "device-ca"
certificate_days = 1
renewal_days = 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("examples")
    installation = initialise(folder / "installation")
    ca, _ = self_signed(folder, "builds")
    with running_issuer(folder, name="github") as issuer:
        with installation.config.open("a") as file:
            file.write(SETTINGS.format(issuer=issuer, audience=installation.url, ca=ca))
        # Another one's, until the key of the CA is made.
        (installation.directory / "fleet.pem").write_bytes(new_ca("fleet").pem)
        quick = {"USERS_ARGON2_MEMORY": "19456", "USERS_ARGON2_PASSES": "2"}
        with running(installation, SERVER_WORKERS="1", **quick) as process:
            yield Place(installation=installation, issuer=issuer, process=process)


def test_every_section_of_a_route_has_an_example_that_runs_here() -> None:
    assert set(EXAMPLES) == set(re.findall(r"^### `(\w+ /\S*)`$", TEXT, re.MULTILINE))
    assert set(PREPARATIONS) <= set(EXAMPLES)
    assert sorted(ORDER) == sorted(EXAMPLES)


def test_each_example_does_what_it_says(place: Place, subtests: pytest.Subtests) -> None:
    """One test: an example has nothing to do without those before it."""
    for route in ORDER:
        with subtests.test(route):
            place.shows()
            PREPARATIONS.get(route, lambda _: None)(place)
            done = _bash(place, EXAMPLES[route])
            assert done.returncode == 0, done.stdout + done.stderr


def test_an_example_that_is_refused_fails(place: Place) -> None:
    done = _bash(place, 'ask "$ARTIFACT_SIGNER_URL/v1/keys/nothing"\n')
    assert done.returncode == 22
    assert '"key-not-found"' in done.stdout


def _bash(place: Place, example: str) -> subprocess.CompletedProcess[str]:
    for written, real in place.real.items():
        example = example.replace(written, real)
    # What curl asks for at a terminal.
    example = example.replace(f"--user {EMAIL} ", f'--user "{EMAIL}:{PASSWORD}" ')
    # The file of credentials is made for each example: some are a user's.
    beginning = "\n".join(line for line in BEGINNING.splitlines() if not line.startswith("(umask"))
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"shopt -s expand_aliases\n{beginning}\n{example}"],
        cwd=place.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(Path(place.folder)), **place.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )

"""The ready-made integrations against a running service: each signs, and ends with the verdict of mender-artifact."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from tests.artifacts import ArtifactBuilder
from tests.integration.integrations import FILES, INTEGRATIONS, Fatal, Order, parsed, recipe, yocto
from tests.integration.running import Installation, initialise, running
from tests.integration.test_ci_jobs import FOR_SIGNERS, SETTINGS
from tests.support.ci_actions import actions
from tests.support.ci_issuer import CiIssuer, running_issuer
from tests.support.ci_tokens import github_claims, gitlab_claims, token
from tests.support.rows import slow_but

pytestmark = [
    pytest.mark.judge,
    pytest.mark.skipif(shutil.which("mender-artifact") is None, reason="needs Debian's mender-artifact"),
]
RELEASE = ArtifactBuilder().build()
NUMBERS = {"github": ("456789", "123456", "ref"), "gitlab": ("20", "72", "ref_path")}


class Works:
    """A service, an issuer for jobs of each kind, an API token of a build, and the keys that devices have."""

    def __init__(self, installation: Installation, issuers: dict[str, CiIssuer], folder: Path) -> None:
        self.installation, self.issuers, self.folder = installation, issuers, folder

    @property
    def public_key(self) -> Path:
        return self.folder / "firmware.pem"

    def prepare(self) -> None:
        """Keys, and who may use them."""
        with self.installation.http() as http:
            for name in ("firmware", "other"):
                made = http.post("/v1/keys", json={"name": name, "algorithm": "ecdsa-p256"})
                assert made.status_code == 201, made.text
                pem = http.get(f"/v1/keys/{name}/versions/1/public-key").text
                (self.folder / f"{name}.pem").write_text(pem)
            new = {"name": "build", "role": "signer", "keys": ["firmware"], "actions": ["sign"]}
            (self.folder / "build.token").write_text(http.post("/v1/api-tokens", json=new).json()["api_token"])

    def order(self, name: str, folder: Path, stack: ExitStack) -> Order:
        """An artifact in a folder, and the credentials that this kind of job has."""
        (folder / "in").mkdir()
        order = Order(installation=self.installation, folder=folder / "in", public_key=self.public_key)
        order.artifact.write_bytes(RELEASE)
        return replace(order, environment=self._credentials(name, stack))

    def _credentials(self, name: str, stack: ExitStack) -> dict[str, str]:
        url = self.installation.url
        if name == "github":
            text = token(github_claims(self.issuers[name].url, aud=url))
            asked, _ = stack.enter_context(actions((200, json.dumps({"value": text}).encode())))
            return {"ACTIONS_ID_TOKEN_REQUEST_URL": asked, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}
        if name == "gitlab":
            return {"ARTIFACT_SIGNER_CI_TOKEN": token(gitlab_claims(self.issuers[name].url, aud=url))}
        return {"ARTIFACT_SIGNER_API_TOKEN_FILE": str(self.folder / "build.token")}


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    folder = tmp_path_factory.mktemp("works")
    installation = initialise(folder / "installation")
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(running_issuer(folder, name=name)) for name in NUMBERS}
        with installation.config.open("a") as file:
            for name, (number, owner, claim) in NUMBERS.items():
                file.write(
                    SETTINGS.format(
                        issuer=issuers[name], kind=name, audience=installation.url, id=number, owner=owner, claim=claim
                    )
                )
        stack.enter_context(running(installation, SERVER_WORKERS="1"))
        made = Works(installation, issuers, folder)
        made.prepare()
        policy = folder / "policy.toml"
        policy.write_text(installation.run("policy", "show").stdout + FOR_SIGNERS)
        assert installation.run("policy", "apply", policy, "--reason", "tests").returncode == 0
        yield made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def left(order: Order) -> set[str]:
    return {path.name for path in order.folder.iterdir()}


def validated(artifact: Path, key: Path) -> int:
    return subprocess.run(
        ["mender-artifact", "validate", "-k", key, artifact], capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize("name", INTEGRATIONS)
def test_an_artifact_is_signed_and_verified(works: Works, name: str, tmp_path: Path, stack: ExitStack) -> None:
    order = works.order(name, tmp_path, stack)
    done = INTEGRATIONS[name](order)
    assert done.returncode == 0, done.stdout + done.stderr
    assert validated(order.output, works.public_key) == 0
    assert validated(order.output, works.folder / "other.pem") != 0
    proof = set() if name == "shell" else {f"{order.output.name}.tlog-proof"}
    assert left(order) == {order.output.name, *proof, *({order.artifact.name} if name != "yocto" else ())}


# One in a shell, and one that is a job.
FIRST = {"shell", "github"}


@pytest.mark.parametrize("name", slow_but(FIRST, INTEGRATIONS))
def test_what_does_not_verify_is_nowhere(works: Works, name: str, tmp_path: Path, stack: ExitStack) -> None:
    """Devices have another key than the one that signed: the verdict of mender-artifact is the last word."""
    order = replace(works.order(name, tmp_path, stack), public_key=works.folder / "other.pem")
    done = INTEGRATIONS[name](order)
    assert done.returncode != 0
    assert not order.output.exists()
    assert "verif" in (done.stdout + done.stderr).lower()
    assert left(order) == {order.artifact.name}


@pytest.mark.parametrize("name", slow_but(FIRST, INTEGRATIONS))
def test_what_the_service_refuses_is_said_and_nothing_is_left(
    works: Works, name: str, tmp_path: Path, stack: ExitStack
) -> None:
    order = replace(works.order(name, tmp_path, stack), key="nothing")
    done = INTEGRATIONS[name](order)
    assert done.returncode != 0
    assert "nothing" in done.stderr
    assert left(order) == {order.artifact.name}
    assert (works.folder / "build.token").read_text() not in done.stdout + done.stderr


# And the name of the second artifact: a space ends a word for make.
BATCHES = {"make": "second", "github": "a second", "gitlab": "a second", "jenkins": "a second"}


def with_another(order: Order, name: str, content: bytes) -> Order:
    """A second artifact beside the first."""
    (order.folder / f"{name}.mender").write_bytes(content)
    return replace(order, others=(name,))


@pytest.mark.parametrize("name", slow_but({"github"}, BATCHES))
def test_many_are_signed_together(works: Works, name: str, tmp_path: Path, stack: ExitStack) -> None:
    order = with_another(works.order(name, tmp_path, stack), BATCHES[name], ArtifactBuilder(name="second").build())
    done = INTEGRATIONS[name](order)
    assert done.returncode == 0, done.stdout + done.stderr
    names = (order.name, *order.others)
    assert [validated(order.folder / f"{each}-signed.mender", works.public_key) for each in names] == [0, 0]
    endings = (".mender", "-signed.mender", "-signed.mender.tlog-proof")
    assert left(order) == {f"{each}{ending}" for each in names for ending in endings}


@pytest.mark.parametrize("name", slow_but({"github"}, BATCHES))
def test_none_is_there_where_one_is_not_signed(works: Works, name: str, tmp_path: Path, stack: ExitStack) -> None:
    order = with_another(works.order(name, tmp_path, stack), BATCHES[name], b"no artifact")
    done = INTEGRATIONS[name](order)
    assert done.returncode != 0
    assert f"{BATCHES[name]}.mender: " in done.stderr
    assert left(order) == {order.artifact.name, f"{BATCHES[name]}.mender"}


# GitLab's step is the same, and takes one line.
@pytest.mark.parametrize("name", ["github", "jenkins"])
def test_a_name_that_patterns_do_not_see_is_not_passed_over(
    works: Works, name: str, tmp_path: Path, stack: ExitStack
) -> None:
    order = with_another(works.order(name, tmp_path, stack), ".second", ArtifactBuilder(name="second").build())
    done = INTEGRATIONS[name](replace(order, pattern="*.mender\n.second.mender"))
    assert done.returncode != 0
    assert "not empty" in done.stderr.lower()


# A job without an API token asks for half a minute; that the client does so is tested where the client is.
@pytest.mark.parametrize("name", slow_but({"shell"}, ("shell", "make")))
def test_no_service_is_said_and_nothing_is_left(works: Works, name: str, tmp_path: Path, stack: ExitStack) -> None:
    nowhere = Installation(directory=works.installation.directory, port=1)
    order = replace(works.order(name, tmp_path, stack), installation=nowhere)
    done = INTEGRATIONS[name](order)
    assert done.returncode != 0
    assert done.stderr
    assert left(order) == {order.artifact.name}


class TestShell:
    CALLS: ClassVar = {
        "too few words": (["a", "b", "c"], "usage"),
        "no artifact": (["none.mender", "firmware", "KEY", "out"], "cannot read none.mender"),
        "no public key": (["release.mender", "firmware", "none.pem", "out"], "cannot read none.pem"),
        "a key that is a path": (["release.mender", "../x", "KEY", "out"], "no name of a key"),
        "a folder as output": (["release.mender", "firmware", "KEY", "."], "is a directory"),
    }

    @pytest.mark.parametrize("sentence", CALLS)
    def test_a_wrong_call_is_refused(self, works: Works, sentence: str, tmp_path: Path, stack: ExitStack) -> None:
        words, said = self.CALLS[sentence]
        order = works.order("shell", tmp_path, stack)
        words = [str(works.public_key) if word == "KEY" else word for word in words]
        done = order.run("sh", str(FILES / "shell" / "sign-artifact"), *words, **order.service)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert left(order) == {order.artifact.name}

    def test_plain_http_is_refused(self, works: Works, tmp_path: Path, stack: ExitStack) -> None:
        order = works.order("shell", tmp_path, stack)
        words = (str(order.artifact), "firmware", str(works.public_key), str(order.output))
        script = str(FILES / "shell" / "sign-artifact")
        done = order.run("sh", script, *words, ARTIFACT_SIGNER_URL="http://localhost")
        assert (done.returncode, "https://" in done.stderr) == (2, True)


class TestYocto:
    def test_what_was_signed_before_stays_as_it_is(self, works: Works, tmp_path: Path, stack: ExitStack) -> None:
        order = works.order("yocto", tmp_path, stack)
        assert yocto(order).returncode == 0
        order.output.rename(order.artifact)
        before = order.artifact.read_bytes()
        # What the harness moves beside a signed artifact.
        Path(f"{order.output}.tlog-proof").rename(f"{order.artifact}.tlog-proof")
        assert yocto(replace(order, key="nothing")).returncode == 0
        assert order.output.read_bytes() == before

    def test_an_image_without_an_artifact_is_left_alone(self, works: Works, tmp_path: Path, stack: ExitStack) -> None:
        parsed(recipe(works.order("yocto", tmp_path, stack), IMAGE_FSTYPES="ext4", ARTIFACT_SIGNER_URL=""))

    @pytest.mark.parametrize("name", ["ARTIFACT_SIGNER_URL", "ARTIFACT_SIGNER_KEY", "MENDER_ARTIFACT_VERIFY_KEY"])
    def test_a_variable_that_is_missing_stops_the_build(
        self, works: Works, name: str, tmp_path: Path, stack: ExitStack
    ) -> None:
        with pytest.raises(Fatal, match="is not set"):
            parsed(recipe(works.order("yocto", tmp_path, stack), **{name: None}))

    def test_a_private_key_on_the_machine_stops_the_build(self, works: Works, tmp_path: Path, stack: ExitStack) -> None:
        with pytest.raises(Fatal, match="signed twice"):
            parsed(recipe(works.order("yocto", tmp_path, stack), MENDER_ARTIFACT_SIGNING_KEY="/key"))


def test_no_input_is_part_of_the_text_of_a_script() -> None:
    """Where it would be a command, whoever names a branch or a file could run one."""
    action = yaml.safe_load((FILES / "github" / "action.yml").read_text())
    assert all("${{" not in step["run"] for step in action["runs"]["steps"])
    body = (FILES / "gitlab" / "templates" / "sign-artifact.yml").read_text().partition("\n---\n")[2]
    script = body.partition("script:")[2].partition("artifacts:")[0]
    assert "$[[" not in script
    groovy = (FILES / "jenkins" / "vars" / "signArtifact.groovy").read_text()
    assert re.findall(r'\bsh\s+("|"""|\$/)', groovy) == []


def test_what_the_action_installs_is_an_extra_that_exists() -> None:
    client = yaml.safe_load((FILES / "github" / "action.yml").read_text())["inputs"]["client"]["default"]
    extras = tomllib.loads((FILES.parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert re.fullmatch(r"artifact-signer\[(\w+)\]", client)[1] in extras  # type: ignore[index]


EXAMPLES = {
    "the workflow names inputs of the action, and all that it needs": ("github/release.yml", "github/action.yml"),
    "the pipeline names inputs of the component, and all that it needs": (
        "gitlab/.gitlab-ci.yml",
        "gitlab/templates/sign-artifact.yml",
    ),
}


@pytest.mark.parametrize("sentence", EXAMPLES)
def test_an_example_fits(sentence: str) -> None:
    example, of = (FILES / name for name in EXAMPLES[sentence])
    used = yaml.safe_load(example.read_text())
    if "jobs" in used:
        inputs = yaml.safe_load(of.read_text())["inputs"]
        needed = {name for name, each in inputs.items() if each.get("required")}
        (given,) = (step["with"] for step in used["jobs"]["sign"]["steps"] if "sign-artifact" in step.get("uses", ""))
        assert used["jobs"]["sign"]["permissions"]["id-token"] == "write"
    else:
        inputs = yaml.safe_load(of.read_text().partition("\n---\n")[0])["spec"]["inputs"]
        needed = {name for name, each in inputs.items() if "default" not in (each or {})}
        (given,) = (each["inputs"] for each in used["include"])
    assert needed <= set(given) <= set(inputs)

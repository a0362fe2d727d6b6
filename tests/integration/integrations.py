"""Runs the files of deploy/integrations as the systems that they are for would, as far as it can be done without these.

Each takes the same order and runs in a folder of its own: the shell of the steps is read out of the files and run with
the variables that the system sets. What is between the steps is the system's, and not tried here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from tests.integration.running import Installation

FILES = Path(__file__).resolve().parents[2] / "deploy" / "integrations"
SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What shall be signed: the artifact of ``folder`` and ``others``; ``environment``: who asks."""

    installation: Installation
    folder: Path
    public_key: Path
    key: str = "firmware"
    name: str = "release"
    others: tuple[str, ...] = ()
    pattern: str = "*.mender"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def artifact(self) -> Path:
        return self.folder / f"{self.name}.mender"

    @property
    def output(self) -> Path:
        return self.folder / f"{self.name}-signed.mender"

    @property
    def ca_file(self) -> str:
        return str(self.installation.directory / "cert.crt")

    @property
    def directory(self) -> Path:
        """Where those that sign many put what is verified."""
        return self.folder / "signed"

    def settle(self, *names: str) -> None:
        """Give what is in the directory the names of the others; it holds nothing else, also after a failure."""
        for name in names:
            source = self.directory / f"{name}.mender"
            for ending in ("", ".tlog-proof"):
                if (moved := Path(f"{source}{ending}")).exists():
                    moved.rename(self.folder / f"{name}-signed.mender{ending}")
        if self.directory.exists():
            self.directory.rmdir()

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A program in the folder, with what the system gives it and nothing of this test's environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        home = {"PATH": path, "HOME": str(self.folder.parent), "LANG": "C.UTF-8"}
        return subprocess.run(
            [*words],
            cwd=self.folder,
            env={**home, **self.environment, **more},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    @property
    def service(self) -> dict[str, str]:
        """Where it is."""
        return {"ARTIFACT_SIGNER_URL": self.installation.url, "ARTIFACT_SIGNER_CA_FILE": self.ca_file}


Ran = subprocess.CompletedProcess[str]


def shell(order: Order) -> Ran:
    """The script alone, by the shell that Debian has for ``sh``."""
    words = (str(order.artifact), order.key, str(order.public_key), str(order.output))
    return order.run("sh", str(FILES / "shell" / "sign-artifact"), *words, **order.service)


def make(order: Order) -> Ran:
    """The example's Makefile beside the artifact, with the key and the public key of the order."""
    for name in ("Makefile", "artifact-signer.mk"):
        shutil.copy(FILES / "make" / name, order.folder)
    given = [f"ARTIFACT_SIGNER_KEY={order.key}", f"ARTIFACT_SIGNER_PUBLIC_KEY={order.public_key}"]
    try:
        return order.run("make", "release", *given, **order.service)
    finally:
        for name in ("Makefile", "artifact-signer.mk"):
            (order.folder / name).unlink()


def github(order: Order) -> Ran:
    """The steps of the composite action, with the inputs of the example's names."""
    action = yaml.safe_load((FILES / "github" / "action.yml").read_text())
    inputs = {name: each.get("default", "") for name, each in action["inputs"].items()}
    inputs |= {
        "artifacts": order.pattern,
        "output-directory": order.directory.name,
        "key": order.key,
        "public-key": str(order.public_key),
        "url": order.installation.url,
        "ca-file": order.ca_file,
        "client": "",
    }
    outputs = order.folder.parent / "github-output"
    steps = [step for step in action["runs"]["steps"] if step.get("if") != "inputs.client != ''"]
    for step in steps:
        environment = {name: _expression(text, inputs) for name, text in step.get("env", {}).items()}
        words = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"])
        done = order.run(*words, **environment, GITHUB_OUTPUT=str(outputs), RUNNER_TEMP=str(order.folder.parent))
        if done.returncode:
            break
    order.settle(order.name, *order.others)
    return done


def _expression(text: str, inputs: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: inputs[match[1]], text)


def gitlab(order: Order) -> Ran:
    """The script of the component's job, by ``sh``: images need no bash."""
    text = (FILES / "gitlab" / "templates" / "sign-artifact.yml").read_text()
    head, _, body = text.partition("\n---\n")
    inputs = {name: (each or {}).get("default", "") for name, each in yaml.safe_load(head)["spec"]["inputs"].items()}
    inputs |= {
        "image": "any",
        "url": order.installation.url,
        "key": order.key,
        "public-key": str(order.public_key),
        "artifacts": order.pattern,
        "output-directory": order.directory.name,
        "ca-file": order.ca_file,
    }
    filled = re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: str(inputs[match[1]]), body)
    (job,) = yaml.safe_load(filled).values()
    assert job["id_tokens"] == {"ARTIFACT_SIGNER_CI_TOKEN": {"aud": order.installation.url}}
    variables = {name: str(value or "") for name, value in job["variables"].items()}
    done = order.run("sh", "-e", "-c", "\n".join(job["script"]), **variables)
    order.settle(order.name, *order.others)
    return done


def jenkins(order: Order) -> Ran:
    """The ``sh`` step of the shared library, with what ``withEnv`` and ``withCredentials`` set around it."""
    text = (FILES / "jenkins" / "vars" / "signArtifact.groovy").read_text()
    given = {
        "url": order.installation.url,
        "caFile": order.ca_file,
        "key": order.key,
        "publicKey": str(order.public_key),
        "artifacts": order.pattern,
        "outputDirectory": order.directory.name,
    }
    values = re.findall(r'"(\w+)=\$\{given\.(\w+)(?: \?: \'\')?\}"', text)
    ((script,),) = [re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL)]
    # In Groovy's quotes a backslash at the end of a line joins it with the next one, and two are one.
    script = script.replace("\\\n", "").replace("\\\\", "\\")
    done = order.run("sh", "-xe", "-c", script, **{name: given.get(member, "") for name, member in values})
    order.settle(order.name, *order.others)
    return done


class Fatal(Exception):
    """What ``bb.fatal`` raises."""


def recipe(order: Order, **changes: str | None) -> dict[str, str]:
    """The variables that bitbake has: those of the class, then those of a configuration beside meta-mender."""
    text = (FILES / "yocto" / "classes" / "artifact-signer.bbclass").read_text()
    variables = dict(re.findall(r'^([A-Z_]+) \?= "(.*)"$', text, re.MULTILINE))
    variables |= {
        "ARTIFACT_SIGNER_URL": order.installation.url,
        "ARTIFACT_SIGNER_KEY": order.key,
        "ARTIFACT_SIGNER_CA_FILE": order.ca_file,
        "ARTIFACT_SIGNER_API_TOKEN_FILE": order.environment.get("ARTIFACT_SIGNER_API_TOKEN_FILE", ""),
        "MENDER_ARTIFACT_VERIFY_KEY": str(order.public_key),
        "IMAGE_FSTYPES": "ext4 mender",
        "IMGDEPLOYDIR": str(order.folder),
        "IMAGE_NAME": order.name,
        "IMAGE_NAME_SUFFIX": "",
    }
    for name, value in changes.items():
        variables[name] = value or ""
    return variables


def parsed(variables: Mapping[str, str]) -> None:
    """What bitbake does when it reads the class: run its Python. Raises ``Fatal``."""
    text = (FILES / "yocto" / "classes" / "artifact-signer.bbclass").read_text()
    ((body,),) = [re.findall(r"^python \(\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)]

    def fatal(sentence: str) -> None:
        raise Fatal(sentence)

    space: dict[str, Any] = {
        "bb": SimpleNamespace(fatal=fatal),
        "d": SimpleNamespace(getVar=lambda name: _known(name, variables)),
    }
    exec(compile(f"def anonymous():\n{body}", "artifact-signer.bbclass", "exec"), space)
    space["anonymous"]()


def _known(name: str, variables: Mapping[str, str]) -> str | None:
    return _expanded(variables[name], variables) if name in variables else None


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """As bitbake expands: what it knows, again and again; the rest is the shell's."""
    before = None
    while before != text:
        before = text
        text = re.sub(r"\$\{([A-Z_]+)\}", lambda match: variables.get(match[1], match[0]), text)
    return text


def yocto(order: Order) -> Ran:
    """The function that runs before ``do_image_complete``, as bitbake writes it into a script."""
    variables = recipe(order)
    parsed(variables)
    text = (FILES / "yocto" / "classes" / "artifact-signer.bbclass").read_text()
    ((body,),) = [re.findall(r"^artifact_signer_sign\(\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)]
    fatal = 'bbfatal() {\n    echo "ERROR: $*" >&2\n    exit 1\n}\n'
    script = f"{fatal}artifact_signer_sign() {{\n{_expanded(body, variables)}}}\n"
    done = order.run("sh", "-e", "-c", f"{script}artifact_signer_sign\n")
    if done.returncode == 0:
        # The class puts the signed artifact in the place of the other.
        order.artifact.rename(order.output)
        (order.folder / f"{order.artifact.name}.tlog-proof").rename(f"{order.output}.tlog-proof")
    return done


INTEGRATIONS: Mapping[str, Callable[[Order], Ran]] = {
    "shell": shell,
    "make": make,
    "github": github,
    "gitlab": gitlab,
    "jenkins": jenkins,
    "yocto": yocto,
}

"""The package's surface: everything is there, typed, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import verifier
from tests.artifacts import Compression, public_pem

from .support import P256, SIGNED

HEAVY = ("cryptography", "dataclasses", "json", "hashlib", "verifier.reader", "backports", "isal")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = run(f"import sys, verifier; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded == "[]"


def test_reading_an_artifact_needs_no_cryptography() -> None:
    code = "import sys, verifier; verifier.ArtifactReader(); print('cryptography' in sys.modules)"
    assert run(code) == "False"


@pytest.mark.parametrize("name", verifier.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(verifier, name) is not None
    assert name in dir(verifier)


@pytest.mark.parametrize("name", [name for name in verifier.__all__ if name not in {"Event", "errors"}])
def test_every_public_name_has_a_docstring(name: str) -> None:
    assert getattr(verifier, name).__doc__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'validate'"):
        verifier.validate  # noqa: B018


def test_the_package_is_marked_as_typed() -> None:
    assert Path(verifier.__file__).with_name("py.typed").exists()


def test_verify_stays_a_function_after_its_module_was_imported() -> None:
    assert run("import verifier.verification, verifier; print(callable(verifier.verify))") == "True"


COMMAND = """
import sys
from verifier.command.main import main
code = main(["--key", sys.argv[1], sys.argv[2]])
print(code, sorted(name for name in sys.argv[3:] if name in sys.modules))
"""
NOT_FOR_A_SMALL_ARTIFACT = (
    "argparse",
    "base64",
    "cryptography.hazmat.backends.openssl.backend",
    "dataclasses",
    "inspect",
    "isal",
    "verifier._hasher",
    "verifier._sentences",
    "verifier._tar_extension",
    "verifier._tar_header",
    "verifier.log",
)


def test_the_command_imports_only_what_a_small_artifact_needs(tmp_path: Path) -> None:
    """Its start is most of its time: each of these costs between a half and eight milliseconds of forty."""
    key, artifact = tmp_path / "key.pem", tmp_path / "small.mender"
    key.write_bytes(public_pem(P256))
    artifact.write_bytes(SIGNED.compressed(Compression.NONE).build())
    words = [sys.executable, "-c", COMMAND, str(key), str(artifact), *NOT_FOR_A_SMALL_ARTIFACT]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0 []"

"""What the commands that try a policy read: its text, an artifact, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from signer.cli.access_sources import opened
from signer.cli.connection import either_option

if TYPE_CHECKING:
    from signer.domain.access.policy import Policy
    from signer.domain.requests import SigningRequest

READ_BYTES = 1 << 18
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
Command = TypeVar("Command", bound=Callable[..., object])


def policy_options(command: Command) -> Command:
    """Which policy: a file, or the one in force."""
    command = either_option(command)
    option = click.option("--policy", "policy_file", type=FILE, help="file of the policy; default: the one in force")
    return option(command)


def chosen_policy(file: Path | None, config: Path | None, command: str) -> Policy:
    """The policy of the file, or the one that is in force in the service or the installation."""
    from signer.domain.access.reading import parse_policy

    if file is not None:
        return policy_of_file(file)
    with opened(config, command) as access:
        document = access.policy(None)
        return parse_policy(str(document["text"]), revision=int(document["revision"]))


def policy_of_file(file: Path) -> Policy:
    """The policy that a file says; raises ``PolicyInvalid`` or ``OSError``."""
    from signer.domain.access.reading import MAX_POLICY_BYTES, parse_policy

    with file.open("rb") as opened_file:
        # A byte more than is read: the reader says that it is too much.
        content = opened_file.read(MAX_POLICY_BYTES + 1)
    return parse_policy(content.decode("utf-8", "surrogateescape"))


def shown(artifact: Path, *, whole: bool) -> SigningRequest:
    """What ``sign`` shows of the artifact: its head, or with ``whole`` all of it; a manifest is a manifest.

    Raises a ``verifier.VerificationError``, ``EmptyBody`` or ``OSError``.
    """
    from signer.artifacts import Form, UploadReader
    from signer.domain.requests import ArtifactSeen
    from verifier import Limits

    reader = UploadReader(form=Form.ANY, limits=Limits(), head_bytes=artifact.stat().st_size, replace=True)
    with artifact.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            reader.feed(chunk)
    request = reader.finish()
    return _head_of(request) if isinstance(request, ArtifactSeen) and not whole else request


def _head_of(request: SigningRequest) -> SigningRequest:
    from signer.domain.access.conditions import IN_WHOLE_ARTIFACTS
    from signer.domain.requests import ArtifactSeen, HeadSeen

    if not isinstance(request, ArtifactSeen):
        return request
    return HeadSeen(manifest=request.manifest, header=request.header, findings=request.findings - IN_WHOLE_ARTIFACTS)

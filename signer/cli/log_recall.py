"""``artifact-signer log recall`` and ``log recalled``: a bad release is taken back, and devices are told."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from signer.answers import ClientError, ServiceRefusal
from signer.cli.connection import connected, either_option, json_option
from signer.cli.local_database import local_database
from signer.cli.output import note, show_json
from signer.client import Client
from signer.domain.recalls import DIGEST
from signer.errors import LogNotCertified
from signer.log_trust import NamedLog, log_trust
from signer.new_file import NewFile
from verifier import VerificationError
from verifier.log import RecalledList, SignedNote, VerifierKey, open_recalled
from verifier.log.recalled import MAX_LIST_BYTES
from verifier.wording import explain

ROUTE, LIST_ROUTE = "/v1/log/recall", "/v1/log/recalled"
# The recorder looks for what others put on record twice a second.
CERTIFIED_SECONDS, PAUSE_SECONDS = 20.0, 0.5


@click.command()
@click.option(
    "--manifest-sha256", required=True, help="SHA-256 of the artifact's manifest, as artifact-verify shows it"
)
@click.option("--reason", required=True, help="why; on record")
@json_option
@either_option
def recall(*, manifest_sha256: str, reason: str, as_json: bool, config: Path | None) -> None:
    """Recall a release, for ever: no key signs its manifest again, and no signature of it is given out."""
    if not DIGEST.fullmatch(manifest_sha256):
        raise click.UsageError("--manifest-sha256 is no SHA-256 in lowercase hex")
    done = _recalled(manifest_sha256, reason, config)
    if as_json:
        show_json(done)
    elif done["changed"]:
        note(f"recalled {manifest_sha256}; artifact-signer log recalled writes the list for devices")
    else:
        note(f"{manifest_sha256} was recalled before, at {done['recalled_at']}")


def _recalled(manifest_sha256: str, reason: str, config: Path | None) -> Mapping[str, Any]:
    if config is None:
        with connected() as client:
            return client.ask(ROUTE, {"manifest_sha256": manifest_sha256, "reason": reason})
    from signer.administration import configured_administration
    from signer.bootstrap import utc_now
    from signer.services.recall_documents import recall_document

    with local_database(config) as (settings, database):
        recalls = configured_administration(settings, database, utc_now).recalls
        done, changed = recalls.recall(manifest_sha256, reason=reason, actor="artifact-signer log recall")
    return recall_document(done, changed=changed)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="file of the list; an older list there is replaced, a newer one never",
)
@click.option("--log-key", metavar="KEY", help="verifier key of the log, or a file of it")
@click.option("--log-origin", metavar="NAME", help="name of the log, for a log key in PEM")
def recalled(*, output: Path, log_key: str | None, log_origin: str | None) -> None:
    """Write the signed list of all recalled manifests, for devices and for artifact-verify --recalled."""
    trust = log_trust(NamedLog(key=log_key, origin=log_origin), os.environ)
    with connected() as client:
        content = _list(client)
        told = client.read("/v1/log/keys")["keys"] if trust is None else []
    try:
        keys = tuple(VerifierKey.parse(str(each)) for each in told) if trust is None else trust.log_keys
        found = open_recalled(content, keys)
    except VerificationError as error:
        sentence = f"the service's list of recalls cannot be believed: {explain(error).sentence}"
        raise ClientError(sentence=sentence, hint="nothing was written") from error
    _require_newer(found, output)
    with NewFile(output) as file:
        file.write(content)
    if trust is None:
        note("the log's key is the one that the service tells: --log-key FILE makes the list a believed one")
    note(f"wrote version {found.version} with {len(found.manifests)} recalled manifests to {output}")


def _list(client: Client) -> bytes:
    """The list; a recall of a moment ago has to be covered by a checkpoint first."""
    latest = time.monotonic() + CERTIFIED_SECONDS
    while True:
        try:
            return client.download(LIST_ROUTE, "text/plain", limit=MAX_LIST_BYTES)
        except ServiceRefusal as refusal:
            if refusal.code != LogNotCertified.code or time.monotonic() > latest:
                raise
        time.sleep(PAUSE_SECONDS)


def _require_newer(found: RecalledList, output: Path) -> None:
    """What lies there says how new the list was that this was seen last; what is no list is not replaced."""
    try:
        with output.open("rb") as file:
            there = file.read(MAX_LIST_BYTES + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise click.ClickException(f"{output} cannot be read: {(error.strerror or '').lower()}") from error
    try:
        kept = RecalledList.parse(SignedNote.parse(there, most_bytes=MAX_LIST_BYTES).text)
    except VerificationError as error:
        raise click.ClickException(f"{output} is there, and no list of recalls: name another file") from error
    if kept.origin == found.origin and kept.version > found.version:
        raise click.ClickException(
            f"the service's list is of version {found.version}, and {output} of {kept.version}: is the service's "
            "database an older one? nothing was written"
        )

"""``artifact-signer server-certificates probe``: who would believe which certificate, before it is shown."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from signer.cli.connection import either_option, json_option
from signer.cli.output import show_json, table
from signer.cli.server_certificate_sources import opened

if TYPE_CHECKING:
    from cryptography import x509

MAX_FILE_BYTES = 1 << 20
SHOWN_DIGITS = 16
CONNECT_SECONDS = 10.0
PROBED = ("previous", "active", "next")
NOW = "the bundle of now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What clients of one family make of one certificate with one bundle. ``problem``: None: they believe it."""

    certificate: str
    bundle: str
    family: str
    problem: str | None


@click.command()
@click.argument("name")
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="a file as devices have it, PEM; may be repeated (the bundle of now)",
)
@click.option("--host", help="the name that clients call the server by (not compared; with --connect its HOST)")
@click.option("--connect", metavar="HOST:PORT", help="what is shown there, instead of what is on record")
@json_option
@either_option
def probe(
    name: str, *, bundles: tuple[Path, ...], host: str | None, connect: str | None, as_json: bool, config: Path | None
) -> int:
    """Say of each certificate of the server NAME who believes it with which bundle; exit 1 where somebody does not."""
    with opened(config, "server-certificates probe") as source:
        found = source.certificates(name)["server_certificates"]
        # Of now, and not given out by looking: what was told to nobody has to be told first.
        current = "".join(_anchors(each) for each in found if each["state"] in PROBED)
    read = {str(path): _read(path.read_bytes()[:MAX_FILE_BYTES]) for path in bundles} or {NOW: _read(current.encode())}
    verdicts = list(_on_record(found, read, host) if connect is None else _at(connect, read, host))
    _show(verdicts, as_json=as_json)
    return int(any(each.problem is not None for each in verdicts))


def _show(verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "verdicts": [
                    {name: getattr(each, name) for name in ("certificate", "bundle", "family", "problem")}
                    for each in verdicts
                ]
            }
        )
        return
    rows = [(each.certificate, each.bundle, each.family, each.problem or "believed") for each in verdicts]
    click.echo(table(("CERTIFICATE", "BUNDLE", "CLIENTS", "VERDICT"), rows))


def _anchors(document: Any) -> str:
    return str(document["chain"] or document["certificate"])


def _read(content: bytes) -> tuple[x509.Certificate, ...]:
    from signer.domain.server_chains import read_bundle

    return read_bundle(content)


def _on_record(found: Any, bundles: dict[str, tuple[x509.Certificate, ...]], host: str | None) -> Iterator[Verdict]:
    from signer.domain.server_trust import ClientFamily, Shown, trust_problem

    for each in found:
        if each["state"] not in PROBED:
            continue
        leaf, *issuers = _read((each["certificate"] + each["chain"]).encode())
        shown = Shown(leaf=leaf, issuers=tuple(issuers))
        label = f"{each['state']} {each['certificate_sha256'][:SHOWN_DIGITS]}"
        for bundle, certificates in bundles.items():
            for family in ClientFamily:
                problem = trust_problem(shown, certificates, family, host=host, now=datetime.now(UTC))
                yield Verdict(
                    certificate=label,
                    bundle=bundle,
                    family=family.value,
                    problem=None if problem is None else problem.value,
                )


def _at(connect: str, bundles: dict[str, tuple[x509.Certificate, ...]], host: str | None) -> Iterator[Verdict]:
    """What OpenSSL itself says in a handshake; for clients written in Go any certificate of the bundle is an anchor."""
    from signer.domain.server_trust import ClientFamily

    address, _, port = connect.rpartition(":")
    address = address.strip("[]")
    if not address or not port.isdecimal():
        raise click.UsageError("--connect takes HOST:PORT")
    for bundle, certificates in bundles.items():
        for family in ClientFamily:
            context = _context(certificates, go=family is ClientFamily.GO)
            yield Verdict(
                certificate=connect,
                bundle=bundle,
                family=family.value,
                problem=_handshake((address, int(port)), context, host or address),
            )


def _context(certificates: Sequence[x509.Certificate], *, go: bool) -> ssl.SSLContext:
    from cryptography.hazmat.primitives.serialization import Encoding

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    if go:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.hostname_checks_common_name = False
    context.load_verify_locations(cadata=b"".join(each.public_bytes(Encoding.DER) for each in certificates))
    return context


def _handshake(address: tuple[str, int], context: ssl.SSLContext, host: str) -> str | None:
    try:
        with (
            socket.create_connection(address, timeout=CONNECT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return f"{error.verify_message} (OpenSSL {error.verify_code})"
    except OSError as error:
        return error.strerror or type(error).__name__

"""``artifact-signer log witness``: a witness for a second machine."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.addresses import is_loopback
from signer.cli.log_keys import log_keys
from signer.cli.output import note

if TYPE_CHECKING:
    from signer.witness.state import Witness

DEFAULT_LISTEN = "127.0.0.1:8444"
BACKLOG = 128
PORTS = range(1 << 16)


@click.command()
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), required=True, help="file that it keeps")
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="file of its private key")
@click.option(
    "--log-key", "keys", metavar="VKEY", multiple=True, required=True, help="a log to watch: its key, or file"
)
@click.option("--log-origin", metavar="NAME", help="name of the log, for a log key in PEM")
@click.option("--name", help="name of the key that the first start makes")
@click.option("--listen", metavar="HOST:PORT", default=DEFAULT_LISTEN, show_default=True, help="where to listen")
@click.option("--certificate", type=click.Path(path_type=Path, dir_okay=False), help="PEM certificate chain, for TLS")
@click.option("--private-key", type=click.Path(path_type=Path, dir_okay=False), help="PEM private key of that")
def witness(
    *,
    state: Path,
    key: Path,
    keys: tuple[str, ...],
    log_origin: str | None,
    name: str | None,
    listen: str,
    certificate: Path | None,
    private_key: Path | None,
) -> None:
    """Sign checkpoints of logs, each only if it continues the one signed before. Runs until it is stopped."""
    from signer.config import LoggingSettings
    from signer.logs import configure_logging
    from signer.witness.state import opened

    configure_logging(LoggingSettings())  # type: ignore[call-arg]
    host, port = _address(listen)
    if (certificate is None) != (private_key is None):
        raise click.UsageError("--certificate and --private-key go together")
    if certificate is None and not is_loopback(host):
        raise click.UsageError("an address beyond this machine needs --certificate and --private-key")
    tls = _tls(certificate, private_key)
    watched = log_keys(keys, log_origin)
    made, lock = opened(state=state, key=key, name=name, log_keys=watched, clock=time.time)
    try:
        with _listening(host, port) as listener:
            click.echo(str(made.key.verifier))
            bound, chosen = listener.getsockname()[:2]
            note(f"witness of {', '.join(watched)} on {'https' if tls else 'http'}://{_shown(bound)}:{chosen}")
            _run(made, listener, tls)
    finally:
        lock.close()


def _run(made: Witness, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    from signer.witness.application import Application
    from signer.witness.server import Bounds, WitnessServer

    server = WitnessServer(application=Application(made), listener=listener, tls=tls, bounds=Bounds())

    async def until_stopped() -> None:
        running = asyncio.ensure_future(server.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            note("stopped")

    asyncio.run(until_stopped())


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) not in PORTS:
        raise click.UsageError("--listen is HOST:PORT or [IPV6]:PORT")
    if (":" in host) != (host.startswith("[") and host.endswith("]")):
        raise click.UsageError("--listen has an IPv6 address in brackets: [IPV6]:PORT")
    return host.strip("[]"), int(port)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _tls(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, private_key)
    except ssl.SSLError as error:
        raise click.UsageError(f"certificate and private key cannot be used: {error.reason or 'not PEM'}") from None
    return context

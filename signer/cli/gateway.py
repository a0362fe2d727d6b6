"""``artifact-signer gateway``: the configuration of the gateway that stands before the service."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from signer.cli.local import config_option
from signer.cli.output import note
from signer.config import Settings, load_settings

if TYPE_CHECKING:
    from signer.gateway.inputs import GatewayPlan

RELAY = "127.0.0.1:8480"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for, as it was typed."""

    listen: str
    upstream: str
    certificate: Path | None
    private_key: Path | None
    tls_key: str | None
    client_ca: Path | None
    relay: str

    def check_key(self) -> None:
        """Raises ``UsageError`` unless a certificate comes with its one key, or both are the service's own."""
        if self.tls_key is not None and self.private_key is not None:
            raise click.UsageError("takes one key: --private-key or --tls-key")
        if (self.certificate is None) != (self.tls_key is None and self.private_key is None):
            raise click.UsageError("a certificate goes with its key: --certificate with --private-key or --tls-key")


@click.group()
def gateway() -> None:
    """Write the configuration of a gateway."""


@gateway.command()
@click.option("--nginx", is_flag=True, help="for nginx: blocks for its http block")
@click.option("--traefik", is_flag=True, help="for Traefik: a file of dynamic configuration, TOML")
@click.option("--listen", required=True, metavar="HOST:PORT", help="where the gateway serves https")
@click.option("--upstream", required=True, metavar="URL", help="the Mender server behind it, without a path")
@click.option("--certificate", type=click.Path(path_type=Path), help="its certificate, PEM (the service's)")
@click.option("--private-key", type=click.Path(path_type=Path), help="key of --certificate, PEM (the service's)")
@click.option("--tls-key", metavar="URI", help="pkcs11: URI of that key, in a token of the gateway's own")
@click.option(
    "--client-ca", type=click.Path(path_type=Path), help="CAs of devices' certificates, PEM: devices need one"
)
@click.option("--relay", default=RELAY, show_default=True, help="what passes on to the gateway's socket, for Traefik")
@config_option
def config(*, nginx: bool, traefik: bool, config: Path, **wanted: Any) -> None:
    """Write a configuration to stdout, for a gateway before a Mender server and this installation."""
    from signer.gateway.nginx import nginx_configuration
    from signer.gateway.traefik import traefik_configuration

    options = Options(**wanted)
    if nginx == traefik:
        raise click.UsageError("needs either --nginx or --traefik")
    if traefik and options.tls_key is not None:
        raise click.UsageError("Traefik reads no key from a token: --tls-key is for nginx")
    options.check_key()
    plan = _plan(load_settings(config, os.environ), options)
    if plan.upstream.over_the_network:
        note(f"what goes to {plan.upstream.url} can be read on the way, tokens too: https:// would hide them")
    click.echo((nginx_configuration if nginx else traefik_configuration)(plan), nl=False)


def _plan(settings: Settings, options: Options) -> GatewayPlan:
    from signer.errors import GatewayOptionRefused
    from signer.gateway.inputs import GatewayPlan, Place, Upstream, checked_path
    from signer.gateway.key_uri import TlsKeyUri

    server = settings.server
    if server.gateway_socket is None:
        raise GatewayOptionRefused(option="server.gateway_socket", reason="is not set: a gateway has no way in")
    _check_client_ca(settings, options)
    configured = {token.name: token.uri for token in settings.tokens}
    in_token = options.tls_key is not None
    return GatewayPlan(
        listen=Place.parse(options.listen, option="--listen"),
        upstream=Upstream.parse(options.upstream),
        gateway_socket=checked_path(server.gateway_socket, option="server.gateway_socket"),
        relay=Place.parse(options.relay, option="--relay"),
        certificate=checked_path(options.certificate or server.certificate, option="--certificate"),
        private_key=None
        if in_token
        else checked_path(options.private_key or server.private_key, option="--private-key"),
        tls_key=None if options.tls_key is None else TlsKeyUri.parse(options.tls_key, configured=configured),
        client_ca=None if options.client_ca is None else checked_path(options.client_ca, option="--client-ca"),
        upload_bytes=settings.limits.artifact_bytes,
        idle_seconds=server.keep_alive,
    )


def _check_client_ca(settings: Settings, options: Options) -> None:
    """Devices' certificates that the gateway tells of are read: else each request of a device would be refused."""
    from signer.domain.client_choices import CaUse, CertificateHeader
    from signer.errors import GatewayOptionRefused

    of_devices = any(table.use is CaUse.DEVICE for table in settings.client_ca)
    told = settings.server.certificate_header is CertificateHeader.NGINX
    if options.client_ca is not None and of_devices and not told:
        reason = 'needs server.certificate_header = "nginx", for the service has a client_ca of devices'
        raise GatewayOptionRefused(option="--client-ca", reason=reason)

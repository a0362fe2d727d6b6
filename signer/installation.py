"""``artifact-signer init``: a directory that holds a whole small installation.

1. Secrets are files of mode 0600 in a directory of mode 0700; none is ever shown.
2. The configuration is written last: a directory without one is not an installation, and ``init`` may be repeated.
3. The directory, and what is in it already, belongs to the user who runs ``init``, and nobody else can put another in
   its place. No link is followed in it: who planted one would choose where the secrets go.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import shlex
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hsm.algorithms import Algorithm
from hsm.initialisation import initialise_token
from signer.administration import administration
from signer.api_token_bootstrap import api_token_service
from signer.approval_bootstrap import approval_parts
from signer.bootstrap import utc_now
from signer.config import Settings, load_settings
from signer.domain.access.presets import init_text
from signer.domain.api_tokens import NewApiToken
from signer.domain.certificate_authority import CertificateTemplate, CertificateUse
from signer.domain.identity import Role
from signer.errors import ConfigurationInvalid
from signer.log_creation import create_log
from signer.server_certificate_bootstrap import take_own_files
from signer.server_certificate_settings import ServerCertificateSettings
from signer.server_settings import MAX_SOCKET_PATH_BYTES, ServerSettings
from signer.services.lifecycle import NewKeyRequest
from signer.services.policy_administration import PolicyProposal
from signer.services.server_certificate_making import self_signed
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.first_policy import first_policy
from signer.token_bootstrap import token_terms

ACTOR = "artifact-signer init"
CONFIG_NAME = "artifact-signer.toml"
LOG_KEY_NAME = "log.vkey"
SEAL_KEY_NAME, SEAL_KEY_BYTES = "users.seal", 32
TOKEN_LABEL = "artifact-signer"  # noqa: S105  (a PKCS#11 token's label, no secret)
SOFTHSM_MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)
PIN_BYTES = 24
TOKEN_KEYS = Algorithm.ECDSA_P256
GATEWAY_SOCKET = "gateway.sock"
HTTPS_PORT = "443"
# RFC 1123 section 2.1; a wildcard would be for names that are not the service's.
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)({_LABEL}\.)*(?![0-9]+\Z){_LABEL}")

CONFIG_TEMPLATE = """\
# artifact-signer: every setting is described in docs/operations/configuration.md
[server]
bind = "{bind}"
{url}{gateway}tls = "on"
certificate = "cert.crt"
private_key = "private.key"

[database]
url = "sqlite:///artifact-signer.sqlite"

[spool]
directory = "spool"

[users]
seal_key_file = "{seal_key}"

[[tokens]]
name = "softhsm"
uri = "pkcs11:token={label}?module-path={module}"
pin = {{ file = "token.pin" }}
environment = {{ SOFTHSM2_CONF = "{softhsm_conf}" }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The files that ``create_installation`` made, for people to be told of."""

    config: Path
    admin_token: Path
    client_env: Path
    certificate: Path
    url: str


def create_installation(directory: Path, *, bind: str, hosts: Sequence[str] = ()) -> Installation:
    """Make the directory with token, database, TLS certificate and administrator's API token.

    ``hosts``: names and addresses that the certificate is for besides this machine's; the service calls itself by the
    first. Raises ``ConfigurationInvalid`` where an installation exists, ``bind`` or a host makes no sense or SoftHSM is
    missing, and ``hsm.errors.TokenError`` where the token cannot be made.
    """
    directory = Path(os.path.abspath(directory))  # noqa: PTH100  (``resolve`` would follow the link that is refused)
    config = directory / CONFIG_NAME
    server = _checked_server(config, bind)
    _check_hosts(config, hosts)
    module = _softhsm_module(config)
    _take(directory)
    softhsm_conf = _make_token(directory, module)
    _make_certificate(directory, (server.host, *hosts), utc_now())
    url = _own_url(bind, hosts)
    text = CONFIG_TEMPLATE.format(
        bind=bind,
        # A port that is free tomorrow is not known today.
        url="" if bind.endswith(":0") else f'url = "{url}"\n',
        gateway=_gateway(directory),
        seal_key=SEAL_KEY_NAME,
        label=TOKEN_LABEL,
        module=module,
        softhsm_conf=softhsm_conf,
    )
    write_secret(directory / SEAL_KEY_NAME, os.urandom(SEAL_KEY_BYTES))
    draft = directory / f"{CONFIG_NAME}.new"
    write_file(draft, text)
    _make_database(directory, draft)
    client_env = _write_client_env(directory, url)
    draft.rename(config)
    return Installation(
        config=config,
        admin_token=directory / "admin.token",
        client_env=client_env,
        certificate=directory / "cert.crt",
        url=url,
    )


def write_secret(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    write_file(path, content, mode=0o600)


def write_file(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a new file in the place of whatever has its name; a link is replaced and not followed."""
    raw = content.encode() if isinstance(content, str) else content
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)


def _take(directory: Path) -> None:
    """Make the directory, or take one that is this user's own; raises ``ConfigurationInvalid``."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    _require_safe_parent(directory)
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise _refused(directory, "is a link or a file: name the directory itself")
    if status.st_uid != os.geteuid():
        raise _refused(
            directory, f"belongs to user {status.st_uid}: run init as that user, or choose another directory"
        )
    directory.chmod(0o700)
    for found in directory.iterdir():
        inside = found.lstat()
        if inside.st_uid != os.geteuid():
            raise _refused(found, f"belongs to user {inside.st_uid}, who could have put it there for init to write to")
        if stat.S_ISLNK(inside.st_mode):
            raise _refused(found, "is a link, init follows none")


def _require_safe_parent(directory: Path) -> None:
    mode = directory.parent.stat().st_mode
    # A group of one's own may write, as some systems have it by default.
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise _refused(directory.parent, "can be written by others, who could replace what init makes in it")


def _refused(path: Path, sentence: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(path=str(path), problems=(sentence,))


def _checked_server(config: Path, bind: str) -> ServerSettings:
    if os.path.lexists(config):
        raise ConfigurationInvalid(path=str(config), problems=("exists already, init makes new installations only",))
    try:
        server = ServerSettings(bind=bind)  # type: ignore[call-arg]
    except ValueError as error:
        raise ConfigurationInvalid(path=str(config), problems=(f"{bind!r} is not HOST:PORT",)) from error
    if server.unix_socket is not None:
        raise ConfigurationInvalid(path=str(config), problems=("init needs HOST:PORT to serve https on",))
    return server


def _check_hosts(config: Path, hosts: Iterable[str]) -> None:
    for host in hosts:
        if not HOST_NAME.fullmatch(host) and not _is_address(host):
            raise ConfigurationInvalid(path=str(config), problems=(f"{host!r} is neither a name nor an address",))


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host)) and "%" not in host
    except ValueError:
        return False


def _gateway(directory: Path) -> str:
    """The line for the gateway's socket; none where its path would be longer than a socket's can be."""
    fits = len(os.fsencode(directory / GATEWAY_SOCKET)) <= MAX_SOCKET_PATH_BYTES
    return f'gateway_socket = "{GATEWAY_SOCKET}"\n' if fits else ""


def _softhsm_module(config: Path) -> Path:
    for module in SOFTHSM_MODULES:
        if module.exists():
            return module
    raise ConfigurationInvalid(
        path=str(config), problems=("SoftHSM is not installed (Debian: apt-get install softhsm2)",)
    )


def _make_token(directory: Path, module: Path) -> Path:
    tokens = directory / "tokens"
    conf = directory / "softhsm2.conf"
    if os.path.lexists(tokens):
        # Left by an init that did not finish; no key was ever made in it.
        tokens.rename(directory / f"tokens.unfinished-{secrets.token_hex(4)}")
    tokens.mkdir(mode=0o700)
    write_file(
        conf,
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nobjectstore.umask = 0077\nlog.level = ERROR\n",
    )
    officer_pin, user_pin = secrets.token_urlsafe(PIN_BYTES), secrets.token_urlsafe(PIN_BYTES)
    initialise_token(
        module=module,
        label=TOKEN_LABEL,
        security_officer_pin=officer_pin,
        user_pin=user_pin,
        environment={"SOFTHSM2_CONF": str(conf)},
    )
    write_secret(directory / "token-officer.pin", officer_pin)
    write_secret(directory / "token.pin", user_pin)
    return conf


def _make_certificate(directory: Path, hosts: Iterable[str], now: datetime) -> None:
    # As the certificates after it, which take its place one after the other.
    terms = ServerCertificateSettings()  # type: ignore[call-arg]
    key = ec.generate_private_key(ec.SECP256R1())
    template = CertificateTemplate(
        use=CertificateUse.SERVER,
        subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "artifact-signer")]),
        public_key=key.public_key(),
        names=x509.SubjectAlternativeName(_alternative_names(hosts)),
        lifetime=timedelta(days=terms.days),
        margin=timedelta(seconds=terms.margin),
    )
    certificate = self_signed(template, key, now=now)
    write_secret(directory / "private.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_file(directory / "cert.crt", certificate.public_bytes(Encoding.PEM))


def _alternative_names(hosts: Iterable[str]) -> Iterable[x509.GeneralName]:
    names: dict[str, x509.GeneralName] = {"localhost": x509.DNSName("localhost")}
    for address in ("127.0.0.1", "::1", *hosts):
        try:
            names[address] = x509.IPAddress(ipaddress.ip_address(address))
        except ValueError:
            names[address] = x509.DNSName(address)
    return names.values()


def _make_database(directory: Path, config: Path) -> None:
    settings = load_settings(config, {})
    database = Database(settings.database)
    try:
        database.upgrade(then=first_policy(utc_now))
        create_log(settings, origin=None, token=None, directory=directory, also=_token_keys(settings))
        store = SqlApiTokenStore(database=database, clock=utc_now)
        name = f"admin-{secrets.token_hex(3)}" if store.name_taken("admin") else "admin"
        new = NewApiToken(name=name, role=Role.ADMINISTRATOR.value)
        token = api_token_service(store, utc_now, approval_parts(database, utc_now).guard).create(new, actor=ACTOR).text
        take_own_files(settings, database, utc_now, actor=ACTOR)
        proposal = PolicyProposal(text=init_text(name), reason=f"{name} may do everything, a build may be tried")
        administration(database, utc_now).policies.apply(proposal, actor=ACTOR)
    finally:
        database.close()
    write_secret(directory / "admin.token", token + "\n")


def _token_keys(settings: Settings) -> tuple[NewKeyRequest, ...]:
    """What signs the tokens of users and devices."""
    return tuple(
        NewKeyRequest(unverified_name=terms.key, unverified_algorithm=TOKEN_KEYS.value, purpose=kind.purpose)
        for kind, terms in token_terms(settings).items()
    )


def _own_url(bind: str, hosts: Sequence[str]) -> str:
    """What the service calls itself, and clients call it."""
    host, _, port = bind.rpartition(":")
    if hosts:
        named = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0].lower()
        return f"https://{named}" if port == HTTPS_PORT else f"https://{named}:{port}"
    reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104  (a wildcard is read, not bound)
    return f"https://{reachable}:{port}"


def _write_client_env(directory: Path, url: str) -> Path:
    variables = {
        "ARTIFACT_SIGNER_URL": url,
        "ARTIFACT_SIGNER_API_TOKEN_FILE": str(directory / "admin.token"),
        "ARTIFACT_SIGNER_CA_FILE": str(directory / "cert.crt"),
    }
    if (log_key := directory / LOG_KEY_NAME).exists():
        variables["ARTIFACT_SIGNER_LOG_KEY_FILE"] = str(log_key)
    path = directory / "client.env"
    write_file(path, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))
    return path

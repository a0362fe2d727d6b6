"""The settings: one TOML file, each setting overridable from the environment, nothing secret in either.

``[server] bind`` is overridden by ``ARTIFACT_SIGNER_SERVER_BIND``. An unknown setting or variable is an error: a
misspelt limit must not fall back to its default. Relative paths start at the file's directory. Secrets come from
the files, variables or descriptors that the settings name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from signer.approval_settings import ApprovalSettings
from signer.ci_settings import CiIdentitySettings, CiIssuerSettings, check_ci
from signer.client_ca_settings import ClientCaSettings
from signer.device_settings import DeviceSettings
from signer.dialect_settings import DialectSettings
from signer.domain.client_choices import CaUse, CertificateHeader, Demand
from signer.errors import ConfigurationInvalid
from signer.gateway_settings import GatewaySettings
from signer.log_settings import LogSettings
from signer.server_certificate_settings import ServerCertificateSettings
from signer.server_settings import ServerSettings, Tls
from signer.settings_section import MEBIBYTE, Section, holds_tables
from signer.token_settings import DeviceTokenSettings, FormerServerSettings, UserTokenSettings
from signer.user_settings import UserSettings

ENVIRONMENT_PREFIX = "ARTIFACT_SIGNER_"
# Read by the command line client, not settings of the service.
CLIENT_VARIABLES = frozenset(
    ENVIRONMENT_PREFIX + name
    for name in (
        "URL",
        "API_TOKEN",
        "API_TOKEN_FILE",
        "CLIENT_CERTIFICATE",
        "CLIENT_KEY",
        "CA_FILE",
        "CONFIG",
        "LOG_KEY_FILE",
        "TIMEOUT",
        "RETRY_SECONDS",
        "CI_TOKEN",
        "CI_AUDIENCE",
    )
)
# Settings that stood in another section, which means something else now.
FORMER_SETTINGS = {("log", "level"): "logging", ("log", "format"): "logging"}
GIBIBYTE = 1 << 30


class DatabaseSettings(Section):
    """``[database]``: where key records and events are kept."""

    url: str = Field("sqlite:///artifact-signer.sqlite", description="SQLAlchemy URL: sqlite or postgresql+psycopg")
    password_file: Path | None = Field(None, description="holds the password that the URL leaves out")
    timeout: float = Field(10.0, gt=0, le=60, description="longest wait for the database, seconds")

    @field_validator("url")
    @classmethod
    def _url_is_of_a_known_kind_and_holds_no_secret(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:  # its text may repeat what stands where a password could
            raise ValueError("is not a URL") from None
        if parts.scheme == "sqlite" and url.removeprefix("sqlite:///") not in ("", ":memory:", url):
            return url
        if parts.scheme != "postgresql+psycopg":
            raise ValueError("must be sqlite:///PATH or postgresql+psycopg://[USER@]HOST/DATABASE")
        if parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True):
            raise ValueError("holds a password, which belongs into the file that password_file names")
        return url


class LimitSettings(Section):
    """``[limits]``: what a request may cost."""

    artifact_bytes: int = Field(16 * GIBIBYTE, ge=1024, description="largest artifact, bytes")
    head_bytes: int = Field(4 * MEBIBYTE, ge=1024, description="largest body taken for the head of an artifact, bytes")
    failed_attempts: int = Field(
        60,
        ge=0,
        le=100_000,
        description="wrong credentials from an address in a minute, per worker; 0: any number",
    )
    batch_bytes: int = Field(64 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE, description="largest body of a batch, bytes")
    json_bytes: int = Field(64 * 1024, ge=1024, le=MEBIBYTE, description="largest JSON body, bytes")


class SpoolSettings(Section):
    """``[spool]``: where whole artifacts wait until their last byte is checked."""

    directory: Path = Field(Path("spool"), description="directory for nameless temporary files")


class SigningSettings(Section):
    """``[signing]``: how a signature is asked of the token."""

    timeout: float = Field(15.0, gt=0, le=300, description="deadline of a signature, seconds")
    clock_tolerance: float = Field(5.0, ge=0, le=300, description="how far the clock may step back, or differ, seconds")
    strict_adoption: bool = Field(False, description="refuse to adopt pairs that the token would give out")


class ReadinessSettings(Section):
    """``[readiness]``: the signature that proves each active key."""

    interval: float = Field(10.0, gt=0, le=3600, description="time between proofs, seconds")
    vital_keys: tuple[str, ...] = Field(
        (), description="keys without which the service is not ready, whatever the reason"
    )

    @field_validator("vital_keys", mode="before")
    @classmethod
    def _a_variable_lists_names_with_commas(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class LoggingSettings(Section):
    """``[logging]``: one line per event on standard error."""

    level: str = Field("info", pattern="^(debug|info|warning|error)$", description="least level that is written")
    format: LogFormat = Field(LogFormat.TEXT, description="text or json")


class PinSettings(Section):
    """Where a token's PIN comes from; exactly one of the three."""

    file: Path | None = Field(None, description="file that holds the PIN")
    env: str | None = Field(None, description="environment variable that holds the PIN")
    fd: int | None = Field(None, ge=3, description="open file descriptor to read the PIN from")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(source is not None for source in (self.file, self.env, self.fd)) != 1:
            raise ValueError("needs exactly one of file, env and fd")
        return self


class TokenSettings(Section):
    """One ``[[tokens]]`` table: a PKCS#11 token."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="what the service calls it")]
    uri: Annotated[str, Field(pattern="^pkcs11:", description="RFC 7512 URI with token, serial and module-path")]
    pin: PinSettings = Field(description="where the PIN comes from: { file = … }, { env = … } or { fd = … }")
    environment: dict[str, str] = Field(default_factory=dict, description="variables that the module reads")
    sessions: int = Field(4, ge=1, le=256, description="signatures that the token makes at once, per worker")
    start_timeout: float = Field(30.0, gt=0, le=300, description="longest wait for module and login, seconds")


class Settings(Section):
    """The whole file, checked."""

    server: ServerSettings = ServerSettings()  # type: ignore[call-arg]
    server_certificates: ServerCertificateSettings = ServerCertificateSettings()  # type: ignore[call-arg]
    database: DatabaseSettings = DatabaseSettings()  # type: ignore[call-arg]
    limits: LimitSettings = LimitSettings()  # type: ignore[call-arg]
    spool: SpoolSettings = SpoolSettings()  # type: ignore[call-arg]
    signing: SigningSettings = SigningSettings()  # type: ignore[call-arg]
    readiness: ReadinessSettings = ReadinessSettings()  # type: ignore[call-arg]
    log: LogSettings = LogSettings()  # type: ignore[call-arg]
    logging: LoggingSettings = LoggingSettings()  # type: ignore[call-arg]
    user_tokens: UserTokenSettings = UserTokenSettings()  # type: ignore[call-arg]
    device_tokens: DeviceTokenSettings = DeviceTokenSettings()  # type: ignore[call-arg]
    former_server: FormerServerSettings = FormerServerSettings()  # type: ignore[call-arg]
    gateway: GatewaySettings = GatewaySettings()  # type: ignore[call-arg]
    devices: DeviceSettings = DeviceSettings()  # type: ignore[call-arg]
    dialects: DialectSettings = DialectSettings()
    tokens: tuple[TokenSettings, ...] = Field(min_length=1)
    ci_issuer: tuple[CiIssuerSettings, ...] = ()
    ci_identity: tuple[CiIdentitySettings, ...] = ()
    client_ca: tuple[ClientCaSettings, ...] = ()
    users: UserSettings = UserSettings()  # type: ignore[call-arg]
    approvals: ApprovalSettings = ApprovalSettings()  # type: ignore[call-arg]

    @property
    def notices_file(self) -> Path:
        """Beside the checkpoint's file: what the receiver of notices was told."""
        return self.log.checkpoint_file.with_name(self.log.checkpoint_file.name + ".notices")

    @model_validator(mode="after")
    def _ci_tables_belong_together(self) -> Self:
        check_ci(self.ci_issuer, self.ci_identity, url=self.server.url)
        return self

    @field_validator("client_ca")
    @classmethod
    def _client_ca_names_differ(cls, tables: tuple[ClientCaSettings, ...]) -> tuple[ClientCaSettings, ...]:
        if len({table.name for table in tables}) != len(tables):
            raise ValueError("two client CAs have the same name")
        return tables

    @model_validator(mode="after")
    def _client_certificates_can_be_shown(self) -> Self:
        told = self.server.certificate_header is not CertificateHeader.OFF
        if self.client_ca and self.server.tls is Tls.OFF and not told:
            raise ValueError('client_ca takes effect only with server.tls = "on" or with server.certificate_header')
        if told and not self.client_ca:
            raise ValueError("server.certificate_header needs a client_ca whose certificates it tells of")
        of_devices = any(table.use is CaUse.DEVICE for table in self.client_ca)
        if self.devices.certificates is Demand.REQUIRED and not of_devices:
            raise ValueError('devices.certificates = "required" needs a client_ca with use = "device"')
        return self

    @field_validator("tokens")
    @classmethod
    def _token_names_differ(cls, tokens: tuple[TokenSettings, ...]) -> tuple[TokenSettings, ...]:
        if len({token.name for token in tokens}) != len(tokens):
            raise ValueError("two tokens have the same name")
        return tokens


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read and check the file, with overrides from ``environment``. Raises ``ConfigurationInvalid``."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationInvalid(path=str(path), problems=(f"cannot be read: {error.strerror}",)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(path=str(path), problems=(f"is not TOML: {error}",)) from error
    problems = [*_former_settings(document), *_apply_environment(document, environment)]
    if problems:
        raise ConfigurationInvalid(path=str(path), problems=tuple(problems))
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise ConfigurationInvalid(path=str(path), problems=_sentences(error)) from None
    return _with_absolute_paths(settings, path.resolve().parent)


def _former_settings(document: Mapping[str, Any]) -> list[str]:
    return [
        f"{section}.{name}: now stands in the section [{new}]"
        for (section, name), new in FORMER_SETTINGS.items()
        if isinstance(document.get(section), dict) and name in document[section]
    ]


def _apply_environment(document: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Put ``ARTIFACT_SIGNER_SECTION_FIELD`` values into ``document``; returns what is wrong with them."""
    problems = []
    targets = {
        f"{ENVIRONMENT_PREFIX}{'_'.join(section)}_{name}".upper(): (section, name)
        for section, model in _sections(Settings).items()
        for name, field in model.model_fields.items()
        if not holds_tables(field)
    }
    known = CLIENT_VARIABLES | _pin_variables(document)
    for variable, value in environment.items():
        if variable in targets:
            section, name = targets[variable]
            table: Any = document
            for part in section:
                # Anything but a table is refused with the rest of the file.
                table = table.setdefault(part, {}) if isinstance(table, dict) else None
            if isinstance(table, dict):
                table[name] = value
        elif variable.startswith(ENVIRONMENT_PREFIX) and variable not in known:
            problems.append(f"the environment variable {variable} is {_former_variable(variable) or 'no setting'}")
    return problems


def _former_variable(variable: str) -> str | None:
    for (section, name), new in FORMER_SETTINGS.items():
        if variable == f"{ENVIRONMENT_PREFIX}{section}_{name}".upper():
            return "now named " + f"{ENVIRONMENT_PREFIX}{new}_{name}".upper()
    return None


def _pin_variables(document: Mapping[str, Any]) -> set[str]:
    """The variables that hold PINs, from a document that was not checked yet."""
    tokens = document.get("tokens")
    pins = [token.get("pin") for token in tokens if isinstance(token, dict)] if isinstance(tokens, list) else []
    names = [pin.get("env") for pin in pins if isinstance(pin, dict)]
    return {name for name in names if isinstance(name, str)}


def _sections(model: type[Section], *above: str) -> dict[tuple[str, ...], type[Section]]:
    """The tables of the file, those in tables too, by the names on the way to them."""
    found: dict[tuple[str, ...], type[Section]] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found[(*above, name)] = field.annotation
            found |= _sections(field.annotation, *above, name)
    return found


def _sentences(error: ValidationError) -> tuple[str, ...]:
    # The rejected input is left out: it might be a secret in the wrong place.
    return tuple(
        f"{'.'.join(str(part) for part in item['loc']) or 'the file'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_url=False)
    )


def _with_absolute_paths(settings: Settings, base: Path) -> Settings:
    server, database = settings.server, settings.database
    changes: dict[str, Any] = {
        "certificate": base / server.certificate,
        "private_key": base / server.private_key,
    }
    if server.unix_socket is not None:
        changes["bind"] = f"unix:{base / server.unix_socket}"
    if server.gateway_socket is not None:
        changes["gateway_socket"] = base / server.gateway_socket
    url = database.url
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        url = f"sqlite:///{base / url.removeprefix('sqlite:///')}"
    password_file = base / database.password_file if database.password_file else None
    return settings.model_copy(
        update={
            "server": server.model_copy(update=changes),
            "database": database.model_copy(update={"url": url, "password_file": password_file}),
            "log": settings.log.below(base),
            "spool": settings.spool.model_copy(update={"directory": base / settings.spool.directory}),
            "client_ca": tuple(table.below(base) for table in settings.client_ca),
            "tokens": tuple(_with_absolute_pin(token, base) for token in settings.tokens),
            "users": settings.users.below(base),
            "server_certificates": settings.server_certificates.below(base),
            "approvals": settings.approvals.below(base),
            "ci_issuer": tuple(issuer.below(base) for issuer in settings.ci_issuer),
        }
    )


def _with_absolute_pin(token: TokenSettings, base: Path) -> TokenSettings:
    pin = token.pin
    if pin.file is not None:
        pin = pin.model_copy(update={"file": base / pin.file})
    return token.model_copy(update={"pin": pin})

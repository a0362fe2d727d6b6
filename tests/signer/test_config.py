"""Settings: what is refused, naming the setting and never repeating a value that may be a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from signer.config import Settings, load_settings
from signer.errors import ConfigurationInvalid
from signer.server_settings import Tls

TOKEN = """
[[tokens]]
name = "softhsm"
uri = "pkcs11:token=one?module-path=/usr/lib/softhsm/libsofthsm2.so"
pin = { file = "token.pin" }
"""
SECRET = "hunter2-correct-horse"


def load(directory: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    path = directory / "artifact-signer.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environment or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file and environment that are refused, with words of each sentence that says why."""

    text: str
    says: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def token(**fields: str) -> str:
    lines = {
        "name": '"softhsm"',
        "uri": '"pkcs11:token=one?module-path=/m.so"',
        "pin": '{ file = "token.pin" }',
    } | fields
    return "[[tokens]]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items() if value)


REFUSED = {
    "an empty file has no token": Refused(text="", says=("tokens: Field required",)),
    "an empty list of tokens": Refused(text="tokens = []", says=("tokens: ",)),
    "not TOML": Refused(text="[server\n", says=("is not TOML",)),
    "an unknown section": Refused(text=TOKEN + "[sever]\nbind = '127.0.0.1:1'", says=("sever: ",)),
    "an unknown setting": Refused(text=TOKEN + "[limits]\nartifact_byte = 5", says=("limits.artifact_byte: ",)),
    "an unknown setting of a token": Refused(text=token(pincode="'1'"), says=("tokens.0.pincode: ",)),
    "a section that is a number": Refused(text="server = 1\n" + TOKEN, says=("server: ",)),
    "a section that is a list": Refused(text="server = []\n" + TOKEN, says=("server: ",)),
    "tokens that are a number": Refused(text="tokens = 1", says=("tokens: ",)),
    "tokens that are a table": Refused(text="[tokens]\nname = 'softhsm'", says=("tokens",)),
    "tokens that are words": Refused(text="tokens = ['softhsm']", says=("tokens.0: ",)),
    "two tokens of one name": Refused(text=TOKEN + TOKEN, says=("two tokens have the same name",)),
    "a token without a name": Refused(text=token(name=""), says=("tokens.0.name: ",)),
    "a token name with odd characters": Refused(text=token(name='"Soft HSM"'), says=("tokens.0.name: ",)),
    "a token name with a newline at its end": Refused(text=token(name='"softhsm\\n"'), says=("tokens.0.name: ",)),
    "a token URI of another scheme": Refused(text=token(uri='"file:/m.so"'), says=("tokens.0.uri: ",)),
    "no PIN source": Refused(text=token(pin="{}"), says=("tokens.0.pin: needs exactly one",)),
    "two PIN sources": Refused(text=token(pin='{ file = "a", env = "B" }'), says=("tokens.0.pin: needs exactly one",)),
    "three PIN sources": Refused(
        text=token(pin='{ file = "a", env = "B", fd = 3 }'), says=("tokens.0.pin: needs exactly one",)
    ),
    "a PIN from standard input": Refused(text=token(pin="{ fd = 0 }"), says=("tokens.0.pin.fd: ",)),
    "no sessions": Refused(text=token(sessions="0"), says=("tokens.0.sessions: ",)),
    "a variable name that is a list": Refused(text=token(pin='{ env = ["A"] }'), says=("tokens.0.pin.env: ",)),
    "an IPv6 address without brackets": Refused(
        text=TOKEN + '[server]\nbind = "::1:8443"', says=("server.bind: ", "in brackets")
    ),
    "brackets around an IPv4 address": Refused(
        text=TOKEN + '[server]\nbind = "[127.0.0.1]:8443"', says=("server.bind: ", "in brackets")
    ),
    "a port that there is none of": Refused(text=TOKEN + '[server]\nbind = "[::1]:65536"', says=("server.bind: ",)),
    "plain http on every address": Refused(
        text=TOKEN + '[server]\nbind = "0.0.0.0:8080"\ntls = "off"', says=('server: tls = "off"',)
    ),
    "plain http on every IPv6 address": Refused(
        text=TOKEN + '[server]\nbind = "[::]:8080"\ntls = "off"', says=('server: tls = "off"',)
    ),
    "plain http on an address of a network": Refused(
        text=TOKEN + '[server]\nbind = "192.0.2.1:8080"\ntls = "off"', says=('server: tls = "off"',)
    ),
    "plain http on a host name": Refused(
        text=TOKEN + '[server]\nbind = "signer.example:8080"\ntls = "off"', says=('server: tls = "off"',)
    ),
    "plain http on a name that only begins like this machine's": Refused(
        text=TOKEN + '[server]\nbind = "localhost.example:8080"\ntls = "off"', says=('server: tls = "off"',)
    ),
    "plain http from the environment": Refused(
        text=TOKEN + '[server]\nbind = "0.0.0.0:8080"',
        environment={"ARTIFACT_SIGNER_SERVER_TLS": "off"},
        says=('server: tls = "off"',),
    ),
    "TLS that is true": Refused(text=TOKEN + "[server]\ntls = true", says=("server.tls: ",)),
    "an address without a port": Refused(text=TOKEN + '[server]\nbind = "127.0.0.1"', says=("server.bind: must be",)),
    "an address without a host": Refused(text=TOKEN + '[server]\nbind = ":8443"', says=("server.bind: must be",)),
    "a port that is a word": Refused(text=TOKEN + '[server]\nbind = "127.0.0.1:https"', says=("server.bind: ",)),
    "a port that is too high": Refused(text=TOKEN + '[server]\nbind = "127.0.0.1:65536"', says=("server.bind: ",)),
    "a port in other digits": Refused(
        text=TOKEN + '[server]\nbind = "127.0.0.1:\u0668\u0664"', says=("server.bind: ",)
    ),
    "a Unix socket without a path": Refused(text=TOKEN + '[server]\nbind = "unix:"', says=("server.bind: ",)),
    "a url without a scheme": Refused(text=TOKEN + '[server]\nurl = "signer.example"', says=("server.url: ",)),
    "a url in plain http": Refused(text=TOKEN + '[server]\nurl = "http://signer.example"', says=("server.url: ",)),
    "a url with a path": Refused(text=TOKEN + '[server]\nurl = "https://signer.example/v1"', says=("server.url: ",)),
    "a url with a query": Refused(text=TOKEN + '[server]\nurl = "https://signer.example?a"', says=("server.url: ",)),
    "a url with a user": Refused(text=TOKEN + '[server]\nurl = "https://a@signer.example"', says=("server.url: ",)),
    "an empty url": Refused(text=TOKEN + '[server]\nurl = ""', says=("server.url: ",)),
    "a proxy that is a name": Refused(
        text=TOKEN + '[server]\ntrusted_proxies = ["proxy.example"]', says=("server.trusted_proxies: must list",)
    ),
    "a network of proxies with bits of a host": Refused(
        text=TOKEN + '[server]\ntrusted_proxies = ["192.0.2.1/24"]', says=("server.trusted_proxies: must list",)
    ),
    "one socket for clients and for the gateway": Refused(
        text=TOKEN + '[server]\nbind = "unix:run/one.sock"\ngateway_socket = "run/one.sock"',
        says=("server: bind and gateway_socket",),
    ),
    "no workers": Refused(text=TOKEN + "[server]\nworkers = 0", says=("server.workers: ",)),
    "workers that are true": Refused(text=TOKEN + "[server]\nworkers = true", says=("server.workers: ",)),
    "more threads than there may be": Refused(text=TOKEN + "[server]\nthreads = 100000", says=("server.threads: ",)),
    "a deadline of no time": Refused(text=TOKEN + "[signing]\ntimeout = 0", says=("signing.timeout: ",)),
    "a deadline that is negative": Refused(text=TOKEN + "[signing]\ntimeout = -1.0", says=("signing.timeout: ",)),
    "a deadline that is infinite": Refused(text=TOKEN + "[signing]\ntimeout = inf", says=("signing.timeout: ",)),
    "a deadline that is no number": Refused(text=TOKEN + "[signing]\ntimeout = nan", says=("signing.timeout: ",)),
    "a deadline that is true": Refused(text=TOKEN + "[signing]\ntimeout = true", says=("signing.timeout: ",)),
    "a database deadline that is infinite": Refused(text=TOKEN + "[database]\ntimeout = inf", says=("timeout: ",)),
    "a limit that is a word": Refused(
        text=TOKEN + '[limits]\nartifact_bytes = "much"', says=("limits.artifact_bytes",)
    ),
    "a setting of logging in its former section": Refused(
        text=TOKEN + '[log]\nlevel = "info"', says=("log.level: now stands in the section [logging]",)
    ),
    "the other setting of logging in its former section": Refused(
        text=TOKEN + '[log]\nformat = "json"', says=("log.format: now stands in the section [logging]",)
    ),
    "a log that is no table": Refused(text=TOKEN.replace("[[tokens]]", "log = 1\n[[tokens]]"), says=("log: ",)),
    "a check of failovers that is a number": Refused(
        text=TOKEN + "[log]\nfailover_check = 2", says=("log.failover_check: ",)
    ),
    "a log level that is none": Refused(text=TOKEN + '[logging]\nlevel = "chatty"', says=("logging.level: ",)),
    "a log level with a newline at its end": Refused(
        text=TOKEN + '[logging]\nlevel = "info\\n"', says=("logging.level: ",)
    ),
    "a database of another kind": Refused(
        text=TOKEN + '[database]\nurl = "mysql://localhost/keys"', says=("database.url: ",)
    ),
    "a database that is no URL": Refused(text=TOKEN + '[database]\nurl = "keys.sqlite"', says=("database.url: ",)),
    "a database that is in memory": Refused(text=TOKEN + '[database]\nurl = "sqlite://"', says=("database.url: ",)),
    "a database that is in memory by its name": Refused(
        text=TOKEN + '[database]\nurl = "sqlite:///:memory:"', says=("database.url: ",)
    ),
    "a database with another driver": Refused(
        text=TOKEN + '[database]\nurl = "postgresql://localhost/keys"', says=("database.url: ",)
    ),
    "several wrong settings are all named": Refused(
        text=TOKEN + "[server]\nthreads = 0\n[logging]\nlevel = 'x'", says=("server.threads: ", "logging.level: ")
    ),
    "a variable of the former name of the logging section": Refused(
        text=TOKEN,
        environment={"ARTIFACT_SIGNER_LOG_LEVEL": "info"},
        says=("ARTIFACT_SIGNER_LOG_LEVEL is now named ARTIFACT_SIGNER_LOGGING_LEVEL",),
    ),
    "an unknown variable": Refused(
        text=TOKEN,
        environment={"ARTIFACT_SIGNER_LIMITS_ARTIFACT_BYTE": "5"},
        says=("ARTIFACT_SIGNER_LIMITS_ARTIFACT_BYTE is no setting",),
    ),
    "a variable for a setting of one token": Refused(
        text=TOKEN, environment={"ARTIFACT_SIGNER_TOKENS_URI": "pkcs11:"}, says=("ARTIFACT_SIGNER_TOKENS_URI",)
    ),
    "a variable in lower case": Refused(
        text=TOKEN, environment={"ARTIFACT_SIGNER_server_bind": "127.0.0.1:1"}, says=("ARTIFACT_SIGNER_server_bind",)
    ),
    "a variable with a wrong value": Refused(
        text=TOKEN, environment={"ARTIFACT_SIGNER_SERVER_THREADS": "many"}, says=("server.threads: ",)
    ),
    "a variable over a section that is no table": Refused(
        text="server = 1\n" + TOKEN, environment={"ARTIFACT_SIGNER_SERVER_THREADS": "4"}, says=("server: ",)
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused_in_a_sentence_that_names_the_setting(sentence: str, tmp_path: Path) -> None:
    row = REFUSED[sentence]
    with pytest.raises(ConfigurationInvalid) as refusal:
        load(tmp_path, row.text, row.environment)
    assert refusal.value.path == str(tmp_path / "artifact-signer.toml")
    for words in row.says:
        assert any(words in problem for problem in refusal.value.problems), refusal.value.problems
    assert all("\n" not in problem for problem in refusal.value.problems)


SECRETS_IN_WRONG_PLACES = {
    "as the PIN itself": token(pin=f'"{SECRET}"'),
    "as a member of the PIN": token(pin=f'{{ value = "{SECRET}" }}'),
    "as a descriptor": token(pin=f'{{ fd = "{SECRET}" }}'),
    "as a list of variables": token(pin=f'{{ env = ["{SECRET}"] }}'),
    "in the URI of a token": token(uri=f'"{SECRET}"'),
    "as a token's name": token(name=f'"{SECRET} "'),
    "as a number of sessions": token(sessions=f'"{SECRET}"'),
    "as the password in a database URL": TOKEN
    + f'[database]\nurl = "postgresql+psycopg://signer:{SECRET}@db.example/keys"',
    "as a parameter of a database URL": TOKEN
    + f'[database]\nurl = "postgresql+psycopg://signer@db.example/keys?password={SECRET}"',
    "as a database URL": TOKEN + f'[database]\nurl = "{SECRET}"',
    "as the TLS setting": TOKEN + f'[server]\ntls = "{SECRET}"',
    "as the address": TOKEN + f'[server]\nbind = "{SECRET}"',
    "as a log level": TOKEN + f'[logging]\nlevel = "{SECRET}"',
    "in a line that is not TOML": f"{TOKEN}\npassword = {SECRET}",
}


@pytest.mark.parametrize("place", SECRETS_IN_WRONG_PLACES)
def test_a_secret_in_a_wrong_place_is_refused_and_not_repeated(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as refusal:
        load(tmp_path, SECRETS_IN_WRONG_PLACES[place])
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None or SECRET not in str(refusal.value.__cause__)


def test_a_secret_in_a_variable_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as refusal:
        load(tmp_path, TOKEN, {"ARTIFACT_SIGNER_TOKEN_PIN": SECRET})
    assert SECRET not in str(refusal.value)


ACCEPTED_ADDRESSES = {
    "this machine by IPv4": "127.0.0.1:8080",
    "this machine by another of its IPv4 addresses": "127.8.9.10:8080",
    "this machine by IPv6": "[::1]:8080",
    "this machine by name": "localhost:8080",
    "a Unix socket": "unix:signer.sock",
}


@pytest.mark.parametrize("place", ACCEPTED_ADDRESSES)
def test_plain_http_is_accepted_on(place: str, tmp_path: Path) -> None:
    settings = load(tmp_path, TOKEN + f'[server]\nbind = "{ACCEPTED_ADDRESSES[place]}"\ntls = "off"')
    assert settings.server.tls is Tls.OFF


def test_the_least_file_has_safe_values(tmp_path: Path) -> None:
    settings = load(tmp_path, TOKEN)
    assert settings.server.bind == "127.0.0.1:8443"
    assert settings.server.tls is Tls.ON
    assert settings.signing.strict_adoption is False
    assert settings.server.workers >= 1


def test_relative_paths_begin_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load(
        tmp_path,
        '[server]\nbind = "unix:run/signer.sock"\ngateway_socket = "run/gateway.sock"\n'
        '[database]\nurl = "sqlite:///data/keys.sqlite"\npassword_file = "database.password"\n' + TOKEN,
    )
    assert settings.server.certificate == tmp_path / "cert.crt"
    assert settings.server.private_key == tmp_path / "private.key"
    assert settings.server.unix_socket == tmp_path / "run/signer.sock"
    assert settings.server.gateway_socket == tmp_path / "run/gateway.sock"
    assert settings.spool.directory == tmp_path / "spool"
    assert settings.database.url == f"sqlite:///{tmp_path}/data/keys.sqlite"
    assert settings.database.password_file == tmp_path / "database.password"
    assert settings.tokens[0].pin.file == tmp_path / "token.pin"


def test_absolute_paths_stay(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[server]\nbind = "unix:/run/signer.sock"\ncertificate = "/etc/cert.crt"\n'
        '[database]\nurl = "sqlite:////var/keys.sqlite"\n' + token(pin='{ file = "/run/pin" }'),
    )
    assert settings.server.unix_socket == Path("/run/signer.sock")
    assert settings.server.certificate == Path("/etc/cert.crt")
    assert settings.database.url == "sqlite:////var/keys.sqlite"
    assert settings.tokens[0].pin.file == Path("/run/pin")


def test_a_relative_name_of_the_file_itself_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signer.toml").write_text(TOKEN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("signer.toml"), {}).spool.directory == tmp_path / "spool"


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        TOKEN + "[server]\nthreads = 4\n",
        {
            "ARTIFACT_SIGNER_SERVER_THREADS": "6",
            "ARTIFACT_SIGNER_SERVER_BIND": "127.0.0.1:9000",
            "ARTIFACT_SIGNER_DATABASE_URL": "sqlite:///other.sqlite",
            "ARTIFACT_SIGNER_SIGNING_STRICT_ADOPTION": "true",
            "ARTIFACT_SIGNER_SIGNING_TIMEOUT": "2.5",
        },
    )
    assert settings.server.threads == 6
    assert settings.server.bind == "127.0.0.1:9000"
    assert settings.database.url == f"sqlite:///{tmp_path}/other.sqlite"
    assert settings.signing.strict_adoption is True
    assert settings.signing.timeout == 2.5


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin",
        "ARTIFACT_SIGNER_URL": "https://127.0.0.1:8443",
        "ARTIFACT_SIGNER_API_TOKEN": SECRET,
        "ARTIFACT_SIGNER_CONFIG": "x",
    }
    assert load(tmp_path, TOKEN, environment) == load(tmp_path, TOKEN)


def test_the_variable_that_holds_a_pin_is_no_unknown_setting(tmp_path: Path) -> None:
    settings = load(tmp_path, token(pin='{ env = "ARTIFACT_SIGNER_TOKEN_PIN" }'), {"ARTIFACT_SIGNER_TOKEN_PIN": SECRET})
    assert settings.tokens[0].pin.env == "ARTIFACT_SIGNER_TOKEN_PIN"
    assert SECRET not in repr(settings)


def test_a_postgresql_url_is_accepted(tmp_path: Path) -> None:
    url = "postgresql+psycopg://signer@db.example:5432/keys?sslmode=verify-full"
    assert load(tmp_path, f'{TOKEN}[database]\nurl = "{url}"').database.url == url


UNREADABLE = {"is missing": "missing.toml", "is a directory": ".", "is behind a file": "file/signer.toml"}


@pytest.mark.parametrize("sentence", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused(sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationInvalid) as refusal:
        load_settings(tmp_path / UNREADABLE[sentence], {})
    assert refusal.value.problems[0].startswith("cannot be read")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "artifact-signer.toml"
    path.write_bytes(b"\xff\xfe[server]")
    with pytest.raises(ConfigurationInvalid, match="is not TOML"):
        load_settings(path, {})


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    settings = load(tmp_path, TOKEN)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.threads = 1  # type: ignore[misc]

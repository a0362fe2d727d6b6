"""``init`` makes its files in a directory of its own, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from signer.config import load_settings
from signer.errors import ConfigurationInvalid
from signer.installation import create_installation
from tests.integration.running import free_port
from tests.support.rows import slow_but_every

NAMES = ("artifact-signer.toml.new", "artifact-signer.sqlite", "cert.crt", "private.key", "client.env", "admin.token",
         "softhsm2.conf", "token.pin", "token-officer.pin", "tokens", "spool", "artifact-signer.toml")  # fmt: skip


def init(directory: Path) -> None:
    create_installation(directory, bind=f"127.0.0.1:{free_port()}")


def link_to_elsewhere(directory: Path) -> None:
    elsewhere = directory.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    directory.symlink_to(elsewhere)


def link_to_nothing(directory: Path) -> None:
    directory.symlink_to("nowhere")


def put_a_file(directory: Path) -> None:
    directory.write_text("")


def open_the_parent(directory: Path) -> None:
    directory.parent.chmod(0o777)


def plant(name: str) -> Callable[[Path], None]:
    """A link in the directory, where ``init`` would write ``name``."""

    def planted(directory: Path) -> None:
        directory.mkdir()
        (directory / name).symlink_to(directory.with_name("target"))

    return planted


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link to a directory": (link_to_elsewhere, "is a link or a file"),
    "a link to nothing": (link_to_nothing, "is a link or a file"),
    "a file": (put_a_file, "is a link or a file"),
    "a directory that others could replace": (open_the_parent, "can be written by others"),
} | {f"a directory with a link named {name}": (plant(name), "") for name in NAMES}


@pytest.mark.parametrize("sentence", REFUSED)
def test_init_refuses(tmp_path: Path, sentence: str) -> None:
    spoil, says = REFUSED[sentence]
    directory = tmp_path / "parent" / "installation"
    directory.parent.mkdir()
    spoil(directory)
    before = tree(tmp_path)
    with pytest.raises(ConfigurationInvalid) as refusal:
        init(directory)
    assert says in refusal.value.problems[0]
    assert tree(tmp_path) == before


STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@needs_root
@pytest.mark.parametrize("whose", ["", "artifact-signer.sqlite", "something"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, whose: str) -> None:
    directory = tmp_path / "installation"
    directory.mkdir()
    if whose:
        (directory / whose).touch()
    os.chown(directory / whose, STRANGER, STRANGER)
    before = tree(tmp_path)
    with pytest.raises(ConfigurationInvalid) as refusal:
        init(directory)
    assert f"belongs to user {STRANGER}" in refusal.value.problems[0]
    assert tree(tmp_path) == before


def test_a_parent_that_a_group_can_write_is_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    init(tmp_path / "installation")


def test_a_directory_of_ones_own_is_taken_and_closed_to_others(tmp_path: Path) -> None:
    directory = tmp_path / "installation"
    directory.mkdir(mode=0o755)
    init(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigurationInvalid):
        init(directory)


def test_what_an_init_that_did_not_finish_left_is_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "installation"
    init(directory)
    (directory / "artifact-signer.toml").unlink()
    init(directory)
    assert (directory / "artifact-signer.toml").is_file()


def certified_names(directory: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate((directory / "cert.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def test_the_certificate_names_every_host_and_the_service_calls_itself_by_the_first(tmp_path: Path) -> None:
    hosts = ("Signer.example", "192.0.2.7", "2001:db8::7", "signer.internal")
    made = create_installation(tmp_path / "installation", bind="0.0.0.0:8443", hosts=hosts)
    assert certified_names(made.config.parent) >= {"localhost", "127.0.0.1", *hosts}
    server = load_settings(made.config, {}).server
    assert server.url == made.url == "https://signer.example:8443"
    assert server.gateway_socket == made.config.parent / "gateway.sock"
    assert "ARTIFACT_SIGNER_URL=https://signer.example:8443" in made.client_env.read_text()


URLS = {
    "a name and the port of https": ("0.0.0.0:443", ("signer.example",), "https://signer.example"),
    "an IPv6 address": ("[::]:8443", ("2001:db8::7",), "https://[2001:db8::7]:8443"),
    "no host, every address": ("0.0.0.0:8443", (), "https://127.0.0.1:8443"),
    "no host, one address": ("192.0.2.7:8443", (), "https://192.0.2.7:8443"),
    "a port that is not known yet": ("127.0.0.1:0", (), None),
}


@pytest.mark.parametrize("sentence", slow_but_every(3, list(URLS)))
def test_what_the_service_calls_itself(tmp_path: Path, sentence: str) -> None:
    bind, hosts, url = URLS[sentence]
    made = create_installation(tmp_path / "installation", bind=bind, hosts=hosts)
    assert load_settings(made.config, {}).server.url == url


@pytest.mark.parametrize(
    "host",
    ["", " ", "*.example", "signer_example", "-a.example", "a-.example", "a..example", "a.example.", "http://a", "a:1",
     "a/b", "s\u00e9.example", "a" * 64, ".".join(["a" * 60] * 5), "1.2.3", "192.0.2.7:8443", "fe80::1%eth0", "a\n"],
)  # fmt: skip
def test_a_host_that_no_certificate_can_name_is_refused_before_anything_is_made(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refusal:
        create_installation(tmp_path / "installation", bind="127.0.0.1:8443", hosts=("signer.example", host))
    assert "neither a name nor an address" in refusal.value.problems[0]
    assert not (tmp_path / "installation").exists()


def test_no_gateways_socket_is_set_where_its_path_would_be_too_long(tmp_path: Path) -> None:
    directory = tmp_path / ("a" * 100)
    init(directory)
    assert load_settings(directory / "artifact-signer.toml", {}).server.gateway_socket is None


def tree(path: Path) -> set[tuple[str, bool]]:
    """Everything below, and whether it is a link."""
    return {(str(found), found.is_symlink()) for found in path.rglob("*")}

"""Runs docs/operations/from-a-server.md with a real device, mender-cli and a server that was there before.

The device's daemon runs from before the move until after the old keys are gone. Nobody touches it.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.fleet import ARTIFACTS, DEVICES, INVENTORY, NEXT, Fleet, fleet, segment_of
from tests.integration.former_server import HASHED_PASSWORD, WITH_HASH, WITHOUT_HASH, FormerServer, exported_user
from tests.integration.mender_cli import MenderCli
from tests.support.gateway_site import answering_server
from tests.support.key_files import key_file, pem
from tests.support.mender_client import MenderDaemon, require_mender_client

PAGE = (Path(__file__).parents[2] / "docs/operations/from-a-server.md").read_text()
COMMAND_SECONDS = 120
BEFORE = ("settings", "keys", "devices", "users")
LOGOUT = "/api/management/v1/useradm/auth/logout"
SERIAL = "from-before"

pytestmark = [pytest.mark.slow, pytest.mark.judge, pytest.mark.timeout(600)]


def blocks() -> dict[str, str]:
    """The page's commands by step."""
    return dict(re.findall(r"^### Step: ([^\n]+)\n\n```sh\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL))


@dataclass(frozen=True, kw_only=True)
class Move:
    """The installation, the server before it with the address of its API, and the device that knew that one."""

    site: Fleet
    old: FormerServer
    api: str
    daemon: MenderDaemon

    def type_in(self, command: str) -> subprocess.CompletedProcess[str]:
        """A command of the page, as the person that moves in."""
        environment = {
            **os.environ,
            **self.site.installation.client_environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "MENDER": self.api,
            "JWT": self.old.user_token(WITH_HASH),
        }
        return subprocess.run(
            ["bash", "-ec", command], cwd=self.site.installation.directory, env=environment, capture_output=True,
            text=True, timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def follow(self, step: str) -> None:
        """Type all commands of a step."""
        done = self.type_in(blocks()[step])
        assert done.returncode == 0, f"{step}: {done.stderr}"

    def passwords(self) -> list[list[str]]:
        """Address and password of each who came without a hash."""
        text = (self.site.installation.directory / "passwords.csv").read_text()
        return [line.split(",") for line in text.splitlines()]


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    """The device has its token from the old server, under an address that leads to the gateway from then on."""
    require_mender_client()
    old = FormerServer(fields={"Connection": "close"})
    with ExitStack() as stack, answering_server(old) as api:
        moves: list[Move] = []

        def prepare(site: Fleet) -> None:
            client = site.client(tmp_path / "client", SERIAL, poll_seconds=1)
            with former_server(site, old):
                daemon = stack.enter_context(client.daemon())
                assert old.wait_for(INVENTORY)
                moves.append(Move(site=site, old=old, api=f"http://127.0.0.1:{api}", daemon=daemon))
                put_files(moves[0])
                for step in BEFORE:
                    moves[0].follow(step)

        stack.enter_context(fleet(tmp_path / "site", before=prepare, SERVER_WORKERS="1"))
        yield moves[0]


@contextmanager
def former_server(site: Fleet, old: FormerServer) -> Iterator[None]:
    """It answers where the gateway will."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(site.certificate, site.certificate.with_name("private.key"))
    with answering_server(old, port=site.port, tls=tls):
        yield


def put_files(move: Move) -> None:
    """What the page says that one needs."""
    directory = move.site.installation.directory
    key_file(directory / "deviceauth.pem", pem(move.old.device_key))
    key_file(directory / "useradm.pem", pem(move.old.user_key))
    key_file(directory / "exported.json", exported_user().encode())


def token_at(site: Fleet, after: int) -> str:
    """What the device comes with, at its next question."""
    assert site.backend.wait_for(NEXT, after)
    return site.device_token(NEXT, after)


def test_a_fleet_and_its_users_move_in_without_noticing(move: Move, tmp_path: Path) -> None:
    site, old = move.site, move.old
    assert list(blocks()) == [*BEFORE, "retired"]
    (device,) = old.devices.values()
    token = token_at(site, 0)
    assert segment_of(token, 1)["jti"] == device["auth_sets"][0]["id"]
    assert site.device(SERIAL)["id"] == device["id"]
    assert site.auth_requests() == 0

    session, other = old.user_token(WITH_HASH), old.user_token(WITH_HASH)
    assert site.ask("GET", ARTIFACTS, session).status_code == 200
    assert site.ask("GET", DEVICES, session).status_code == 401  # gateways alone take it
    assert site.ask("POST", LOGOUT, session).status_code == 202
    assert [site.ask("GET", ARTIFACTS, each).status_code for each in (session, other)] == [401, 200]
    users_log_in(move, tmp_path)
    nothing_changes_when_typed_again(move)

    move.follow("retired")
    assert {site.ask("GET", ARTIFACTS, other).status_code, site.ask("PUT", INVENTORY, token).status_code} == {401}
    before = len(site.backend.seen)
    move.daemon.check_for_updates()
    ours = token_at(site, before)
    assert (segment_of(ours, 1)["sub"], site.auth_requests()) == (device["id"], 1)
    assert "kid" not in segment_of(token, 0)
    assert "kid" in segment_of(ours, 0)


def users_log_in(move: Move, directory: Path) -> None:
    """One with the password that they have, one with that which came in the file, once."""
    ((email, once),) = move.passwords()
    assert email == WITHOUT_HASH
    for name, password in ((WITH_HASH, HASHED_PASSWORD), (email, once)):
        (directory / name).mkdir()
        cli = MenderCli(move.site, directory / name)
        done = cli("login", "--username", name, "--password", password)
        assert done.returncode == 0, done.stderr
        assert cli("devices", "list").returncode == 0
    cli = MenderCli(move.site, directory / "again")
    again = cli("login", "--username", email, "--password", once)
    assert "status 401" in again.stdout + again.stderr


def nothing_changes_when_typed_again(move: Move) -> None:
    """While the service runs: no device, key, user or password is another."""
    state = on_record(move)
    for step in ("devices", "users"):
        move.follow(step)
    refused = [move.type_in(line) for line in blocks()["keys"].splitlines() if line.startswith("artifact-signer")]
    assert [each.returncode == 0 for each in refused] == [False, False]
    assert on_record(move) == state


def on_record(move: Move) -> list[object]:
    """Devices, users, keys, and the passwords in the file."""
    listed = [move.site.installation.run(each, "list", "--json") for each in ("devices", "users", "keys")]
    assert [each.returncode for each in listed] == [0, 0, 0]
    return [*(json.loads(each.stdout) for each in listed), move.passwords()]

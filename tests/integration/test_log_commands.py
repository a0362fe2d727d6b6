"""The commands that look at the log, over the API of a service that runs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.running import Installation


def manifest(number: int) -> bytes:
    """One that no other test signs."""
    return f"{number + 5000:064x}  version\n{number:064x}  header.tar.gz\n".encode()


def test_a_service_is_verified_copied_and_looked_up(service: Installation, tmp_path: Path) -> None:
    with service.http() as http:
        answers = [http.post("/v1/keys/rsa/signatures", content=manifest(number)) for number in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
    vkey, seen = service.directory / "log.vkey", tmp_path / "seen"
    with service.http() as http:
        seen.write_bytes(http.get("/v1/log/checkpoint").content)
    verified = service.run("log", "verify", "--json", "--log-key", vkey, "--since", seen)
    assert verified.returncode == 0, verified.stderr
    document = json.loads(verified.stdout)
    assert (document["holds"], len(document["not_seen"])) == (True, 2)
    asked = service.run("log", "verify")
    assert asked.returncode == 0, asked.stderr
    assert "asked of the service itself" in asked.stderr
    copied = service.run("log", "export", tmp_path / "copy", "--log-key", vkey)
    assert copied.returncode == 0, copied.stderr
    assert service.run("log", "verify", "--export", tmp_path / "copy", "--log-key", vkey).returncode == 0

    found = json.loads(service.run("log", "search", "--key", "rsa", "--type", "signature", "--json").stdout)
    index = found[-1]["index"]
    shown = json.loads(service.run("log", "show", str(index), "--json").stdout)
    assert shown == found[-1]
    assert str(index) in service.run("log", "show").stdout
    assert service.run("log", "show", "1000000").returncode == 1
    assert service.run("log", "search", "--actor", "nobody").returncode == 1

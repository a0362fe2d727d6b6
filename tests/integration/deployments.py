"""A minimal deployments endpoint: gives each device its next deployment, serves the artifact, keeps what it reports.

1. A device is whom its token names: the gateway lets no other through, so nothing here checks it again.
2. A deployment ends with a final status, a failure with its log too; then the device has the next one, or none (204).
3. An artifact lies behind a link that cannot be guessed, as those of a Mender server.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.integration.fleet import NEXT, segment_of
from tests.support.gateway_site import Answering, Seen

DOWNLOAD = "/api/devices/v1/deployments/download/"
REPORT = re.compile(r"^/api/devices/v1/deployments/device/deployments/([^/]+)/(status|log)$")
FINAL = frozenset({"success", "failure", "already-installed"})
SECONDS = 30.0


@dataclass
class Deployment:
    """An artifact for one device, and what the device said of it."""

    device: str
    artifact_name: str
    artifact: bytes
    device_type: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    link: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    statuses: list[str] = field(default_factory=list)
    log: str = ""
    downloads: int = 0

    @property
    def over(self) -> bool:
        """Of a failure the log comes last."""
        return bool(FINAL.intersection(self.statuses)) and ("failure" not in self.statuses or bool(self.log))


@dataclass
class Deployments(Answering):
    """What stands behind the gateway. ``gateway``: its address, for links. Other paths are answered as by Answering."""

    gateway: str = ""
    made: list[Deployment] = field(default_factory=list)

    def deploy(self, deployment: Deployment) -> Deployment:
        """The device's from now on. Waits until it has said how it ended."""
        with self.arrived:
            self.made.append(deployment)
            ended = self.arrived.wait_for(lambda: deployment.over, SECONDS)
        assert ended, f"{deployment.artifact_name}: {deployment.statuses}"
        return deployment

    def asked_next(self, device: str, after: int) -> Seen:
        """The device's next question for a deployment after the first ``after`` requests; waits for it."""
        found: list[Seen] = []

        def came() -> bool:
            found[:] = [each for each in self.seen[after:] if each.target == NEXT and _device(each) == device]
            return bool(found)

        with self.arrived:
            assert self.arrived.wait_for(came, SECONDS), f"{device} asks no more"
        return found[0]

    def answer(self, seen: Seen) -> tuple[int, bytes]:
        """Status and body."""
        with self.arrived:
            report = REPORT.match(seen.target)
            if report is not None and seen.method == "PUT":
                return self._report(seen, *report.groups())
            if seen.target == NEXT:
                return self._next(_device(seen))
            if seen.target.startswith(DOWNLOAD):
                return self._download(seen.target.removeprefix(DOWNLOAD))
        return super().answer(seen)

    def _next(self, device: str) -> tuple[int, bytes]:
        for each in self.made:
            if each.device == device and not each.over:
                return 200, json.dumps(self._said(each)).encode()
        return 204, b""

    def _said(self, deployment: Deployment) -> dict[str, Any]:
        source = {"uri": f"{self.gateway}{DOWNLOAD}{deployment.link}", "expire": "2100-01-01T00:00:00Z"}
        artifact = {
            "source": source,
            "artifact_name": deployment.artifact_name,
            "device_types_compatible": [deployment.device_type],
        }
        return {"id": deployment.id, "artifact": artifact}

    def _download(self, link: str) -> tuple[int, bytes]:
        for each in self.made:
            if secrets.compare_digest(each.link, link):
                each.downloads += 1
                return 200, each.artifact
        return 404, b""

    def _report(self, seen: Seen, number: str, what: str) -> tuple[int, bytes]:
        for each in self.made:
            if each.id == number and each.device == _device(seen):
                if what == "log":
                    each.log += seen.body.decode()
                else:
                    each.statuses.append(json.loads(seen.body)["status"])
                self.arrived.notify_all()
                return 204, b""
        return 404, b""


def token_of(seen: Seen) -> str:
    """The token that a request came with."""
    return (seen.field("authorization") or "").removeprefix("Bearer ")


def _device(seen: Seen) -> str:
    return str(segment_of(token_of(seen), 1)["sub"])

"""A monitor over the routes of the service: what they serve is what it reads, and what they refuse is told as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from signer.answers import ServiceRefusal
from signer.domain.identity import Role
from signer.log.http_source import HttpSource
from signer.monitor.expectations import Expectations
from signer.monitor.findings import Finding
from signer.monitor.following import Follower, Smaller
from signer.monitor.seen import Seen
from tests.support.logged_site import KEY, PREFIX, LoggedSite, logged_site

EXPECTED = {"version": 1, "signatures": [{"name": "pipeline", "keys": [KEY], "identities": ["api-token:pipeline"]}]}


@dataclass(slots=True)
class Asking:
    """Downloads from a site, as the client does."""

    site: LoggedSite
    role: Role = Role.AUDITOR
    sizes: list[int] = field(default_factory=list)

    def download(self, path: str, media_type: str, *, limit: int) -> bytes:
        """As ``Client.download``."""
        reply = self.site.get(path.removeprefix(PREFIX), self.role)
        if reply.status_code != 200:
            told = json.loads(reply.data)
            raise ServiceRefusal(
                sentence=told["detail"], hint=None, code=told["code"], status=reply.status_code, document=told
            )
        assert (reply.content_type or "").partition(";")[0] == media_type
        assert len(reply.data) <= limit
        return reply.data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedSite]:
    with logged_site(tmp_path_factory.mktemp("site")) as made:
        yield made


def look(site: LoggedSite, seen: Seen, told: list[Finding], role: Role = Role.AUDITOR) -> Seen | Smaller:
    follower = Follower(
        source=HttpSource(Asking(site, role)),
        log_keys=[site.checkpoints.key.verifier],
        expectations=Expectations.model_validate(EXPECTED),
        tell=told.append,
        keep=lambda _: None,
    )
    return follower.look(seen)


def test_a_log_is_followed_while_it_grows(site: LoggedSite) -> None:
    site.grow(3)
    told: list[Finding] = []
    found: Seen | Smaller = Seen(origin=site.checkpoints.key.verifier.name)
    for size in (20, 256, 257, 300, 600):
        site.grow(size)
        assert isinstance(found, Seen)
        found = look(site, found, told)
        assert isinstance(found, Seen)
        assert found.frontier == site.reader.head().frontier
    assert [each for each in told if each.kind == "unexpected-signature"] == []
    note = site.checkpoints.note
    for size in (1, 299, 512):
        site.certify(size)
        assert look(site, found, told) == Smaller(shown_size=size, seen_size=600)
    site.checkpoints.note = note


def test_who_may_not_read_the_log_is_told_so(site: LoggedSite) -> None:
    site.grow(700)
    with pytest.raises(ServiceRefusal) as caught:
        look(site, Seen(origin=site.checkpoints.key.verifier.name), [], Role.READER)
    assert caught.value.code == "access-denied"

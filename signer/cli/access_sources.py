"""Where commands about policies, people and groups do their work: over the API, or on the database of an installation.

Both take and give the JSON documents of the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.cli.local_database import local_database

if TYPE_CHECKING:
    from signer.client import Client
    from signer.services.administration import Administration

Document = Mapping[str, Any]
FloorPlace = tuple[str, str, str]


class AccessSource(Protocol):
    """What the commands ask for."""

    def policy(self, revision: int | None) -> Document:
        """The policy in force, or a revision."""

    def revisions(self) -> Document:
        """All of them, without texts."""

    def preview(self, text: str, expected: int | None) -> Document:
        """What a policy would change."""

    def apply(self, text: str, reason: str, expected: int | None, *, break_glass: bool) -> Document:
        """Put it in force."""

    def floors(self, key: str | None) -> Document:
        """How far versions have come."""

    def set_floor(self, place: FloorPlace, order: str, version: str, reason: str) -> Document:
        """Set one."""

    def people(self) -> Document:
        """All people."""

    def person(self, name: str) -> Document:
        """One."""

    def create_person(self, name: str, display: str | None, email: str | None) -> Document:
        """Somebody new."""

    def set_disabled(self, name: str, reason: str, *, disabled: bool) -> bool:
        """Whether that changed anything."""

    def identities(self) -> Document:
        """Which identity is whose."""

    def assign(self, identity: str, person: str) -> None:
        """Give it to a person."""

    def unassign(self, identity: str) -> None:
        """Take it back."""

    def revoked_certificates(self) -> Document:
        """Clients' certificates that are revoked."""

    def revoke_certificate(self, ca: str, serial: str, reason: str) -> bool:
        """Whether that changed anything."""

    def groups(self) -> Document:
        """All groups."""

    def group(self, name: str) -> Document:
        """One."""

    def create_group(self, name: str) -> Document:
        """A group without members."""

    def set_member(self, group: str, member: str, *, present: bool) -> bool:
        """Whether that changed anything."""

    def ci_sessions(self) -> Document:
        """All sessions of CI jobs that are not over."""

    def revoke_ci_sessions(self, reason: str, *, session: str | None, identity: str | None) -> int:
        """End one session, or all of an identity; how many held until now."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def policy(self, revision: int | None) -> Document:
        """The policy in force, or a revision."""
        return self._client.read("/v1/policy", **({} if revision is None else {"revision": revision}))

    def revisions(self) -> Document:
        """All of them, without texts."""
        return self._client.read("/v1/policy/revisions")

    def preview(self, text: str, expected: int | None) -> Document:
        """What a policy would change."""
        return self._client.ask("/v1/policy/preview", _given(text=text, expected=expected))

    def apply(self, text: str, reason: str, expected: int | None, *, break_glass: bool) -> Document:
        """Put it in force."""
        assert not break_glass  # noqa: S101  (the command offers it with --config only)
        return self._client.ask("/v1/policy", _given(text=text, reason=reason, expected=expected))

    def floors(self, key: str | None) -> Document:
        """How far versions have come."""
        return self._client.read("/v1/policy/floors", **({} if key is None else {"key": key}))

    def set_floor(self, place: FloorPlace, order: str, version: str, reason: str) -> Document:
        """Set one."""
        names = dict(zip(("key", "device_type", "payload_type"), place, strict=True))
        document = {**names, "order": order, "version": version, "reason": reason}
        return self._client.ask("/v1/policy/floors", document)

    def people(self) -> Document:
        """All people."""
        return self._client.read("/v1/people")

    def person(self, name: str) -> Document:
        """One."""
        return self._client.read(f"/v1/people/{_part(name)}")

    def create_person(self, name: str, display: str | None, email: str | None) -> Document:
        """Somebody new."""
        return self._client.ask("/v1/people", _given(name=name, display=display, email=email))

    def set_disabled(self, name: str, reason: str, *, disabled: bool) -> bool:
        """Whether that changed anything."""
        step = "disable" if disabled else "enable"
        return bool(self._client.ask(f"/v1/people/{_part(name)}/{step}", {"reason": reason})["changed"])

    def identities(self) -> Document:
        """Which identity is whose."""
        return self._client.read("/v1/identities")

    def assign(self, identity: str, person: str) -> None:
        """Give it to a person."""
        self._client.ask("/v1/identities/assign", {"identity": identity, "person": person})

    def unassign(self, identity: str) -> None:
        """Take it back."""
        self._client.ask("/v1/identities/unassign", {"identity": identity})

    def revoked_certificates(self) -> Document:
        """Clients' certificates that are revoked."""
        return self._client.read("/v1/client-certificates/revoked")

    def revoke_certificate(self, ca: str, serial: str, reason: str) -> bool:
        """Whether that changed anything."""
        body = {"ca": ca, "serial": serial, "reason": reason}
        return bool(self._client.ask("/v1/client-certificates/revoke", body)["changed"])

    def groups(self) -> Document:
        """All groups."""
        return self._client.read("/v1/groups")

    def group(self, name: str) -> Document:
        """One."""
        return self._client.read(f"/v1/groups/{_part(name)}")

    def create_group(self, name: str) -> Document:
        """A group without members."""
        return self._client.ask("/v1/groups", {"name": name})

    def set_member(self, group: str, member: str, *, present: bool) -> bool:
        """Whether that changed anything."""
        step = "add" if present else "remove"
        return bool(self._client.ask(f"/v1/groups/{_part(group)}/{step}", {"member": member})["changed"])

    def ci_sessions(self) -> Document:
        """All sessions of CI jobs that are not over."""
        return self._client.read("/v1/ci-sessions")

    def revoke_ci_sessions(self, reason: str, *, session: str | None, identity: str | None) -> int:
        """End one session, or all of an identity; how many held until now."""
        body = _given(session=session, identity=identity, reason=reason)
        return int(self._client.ask("/v1/ci-sessions/revoke", body)["revoked"])


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, services: Administration, *, actor: str) -> None:
        from signer.services import access_documents

        self._documents = access_documents
        self._policies, self._people, self._floors = services.policies, services.people, services.floors
        self._ci_sessions, self._certificates = services.ci_sessions, services.client_certificates
        self._actor = actor

    def policy(self, revision: int | None) -> Document:
        """The policy in force, or a revision."""
        return self._documents.policy_document(self._policies.show(revision))

    def revisions(self) -> Document:
        """All of them, without texts."""
        policies = self._policies.revisions()
        return {"revisions": [self._documents.policy_document(each, text=False) for each in policies]}

    def preview(self, text: str, expected: int | None) -> Document:
        """What a policy would change."""
        return self._documents.preview_document(self._policies.preview(text, expected=expected))

    def apply(self, text: str, reason: str, expected: int | None, *, break_glass: bool) -> Document:
        """Put it in force."""
        from signer.services.policy_administration import PolicyProposal

        proposal = PolicyProposal(text=text, reason=reason, expected=expected, break_glass=break_glass)
        applied = self._policies.apply(proposal, actor=self._actor)
        return self._documents.applied_document(applied, self._policies.futile())

    def floors(self, key: str | None) -> Document:
        """How far versions have come."""
        return {"floors": [self._documents.floor_document(*each) for each in self._floors.floors(key)]}

    def set_floor(self, place: FloorPlace, order: str, version: str, reason: str) -> Document:
        """Set one."""
        floor = self._floors.set(place, unverified_order=order, version=version, reason=reason, actor=self._actor)
        return self._documents.floor_document(place, floor)

    def people(self) -> Document:
        """All people."""
        return {"people": [self._documents.person_document(each) for each in self._people.people()]}

    def person(self, name: str) -> Document:
        """One."""
        return self._documents.person_document(self._people.person(name))

    def create_person(self, name: str, display: str | None, email: str | None) -> Document:
        """Somebody new."""
        made = self._people.create(name, display=display, email=email, actor=self._actor)
        return self._documents.person_document(made)

    def set_disabled(self, name: str, reason: str, *, disabled: bool) -> bool:
        """Whether that changed anything."""
        step = self._people.disable if disabled else self._people.enable
        return step(name, reason=reason, actor=self._actor)

    def identities(self) -> Document:
        """Which identity is whose."""
        return self._documents.identities_document(self._people.assigned())

    def assign(self, identity: str, person: str) -> None:
        """Give it to a person."""
        self._people.assign(identity, person, actor=self._actor)

    def unassign(self, identity: str) -> None:
        """Take it back."""
        self._people.unassign(identity, actor=self._actor)

    def revoked_certificates(self) -> Document:
        """Clients' certificates that are revoked."""
        return self._documents.revoked_document(self._certificates.revoked())

    def revoke_certificate(self, ca: str, serial: str, reason: str) -> bool:
        """Whether that changed anything."""
        return self._certificates.revoke(ca, serial, reason=reason, actor=self._actor)

    def groups(self) -> Document:
        """All groups."""
        return {"groups": [self._documents.group_document(each) for each in self._people.groups()]}

    def group(self, name: str) -> Document:
        """One."""
        return self._documents.group_document(self._people.group(name))

    def create_group(self, name: str) -> Document:
        """A group without members."""
        return self._documents.group_document(self._people.create_group(name, actor=self._actor))

    def set_member(self, group: str, member: str, *, present: bool) -> bool:
        """Whether that changed anything."""
        step = self._people.add_member if present else self._people.remove_member
        return step(group, member, actor=self._actor)

    def ci_sessions(self) -> Document:
        """All sessions of CI jobs that are not over."""
        return self._documents.ci_sessions_document(self._ci_sessions.sessions())

    def revoke_ci_sessions(self, reason: str, *, session: str | None, identity: str | None) -> int:
        """End one session, or all of an identity; how many held until now."""
        if session is not None:
            return self._ci_sessions.revoke(session, reason=reason, actor=self._actor)
        return self._ci_sessions.revoke_all(str(identity), reason=reason, actor=self._actor)


@contextmanager
def opened(config: Path | None, command: str) -> Iterator[AccessSource]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.administration import configured_administration
    from signer.bootstrap import utc_now

    with local_database(config) as (settings, database):
        services = configured_administration(settings, database, utc_now)
        yield OnTheDatabase(services, actor=f"artifact-signer {command}")


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _part(name: str) -> str:
    return quote(name, safe="")

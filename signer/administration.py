"""Puts together what administers access, over one database: for the service, and for commands on the machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from signer.approval_bootstrap import approval_parts
from signer.approval_settings import ApprovalSettings
from signer.config import Settings
from signer.device_bootstrap import device_administration, device_records
from signer.device_settings import DeviceSettings
from signer.domain.ci import IDENTITY_KIND as CI
from signer.domain.client_choices import CaUse
from signer.server_certificate_bootstrap import configured_server_certificates, server_certificates
from signer.server_certificate_settings import ServerCertificateSettings
from signer.services.access_ports import ConfiguredIdentities
from signer.services.administration import Administration
from signer.services.ci_sessions import CiSessionAdministration
from signer.services.client_certificates import ClientCertificateAdministration
from signer.services.device_certificate_administration import DeviceCertificateAdministration
from signer.services.floors import FloorAdministration
from signer.services.people import PeopleAdministration
from signer.services.policy_administration import PolicyAdministration
from signer.services.ports import Clock
from signer.services.recalls import RecallAdministration
from signer.services.server_certificates import ServerCertificateAdministration
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from signer.storage.device_certificate_store import SqlDeviceCertificates
from signer.storage.floor_store import SqlFloorStore
from signer.storage.key_store import SqlKeyStore
from signer.storage.known_identities import SqlKnownIdentities
from signer.storage.people_store import SqlPeopleStore
from signer.storage.policy_store import SqlPolicyStore
from signer.storage.recall_store import SqlRecalls
from signer.storage.revoked_certificate_store import SqlRevokedCertificates
from signer.storage.user_store import SqlUserStore


def configured_administration(settings: Settings, database: Database, clock: Clock) -> Administration:
    """Over this database, as the settings say."""
    client_cas = {table.name: table.use for table in settings.client_ca}
    servers = configured_server_certificates(settings, database, clock)
    return administration(
        database,
        clock,
        client_cas=client_cas,
        configured=configured_identities(settings),
        devices=settings.devices,
        servers=servers,
        approvals=settings.approvals,
    )


def configured_identities(settings: Settings) -> ConfiguredIdentities:
    """What the settings let prove identities of certificates and pipelines."""
    return ConfiguredIdentities(
        cas=frozenset(table.name for table in settings.client_ca if table.use is CaUse.IDENTITY),
        pipelines={f"{CI}:{table.issuer}/{table.id}": table.role for table in settings.ci_identity},
    )


def administration(
    database: Database,
    clock: Clock,
    *,
    client_cas: Mapping[str, CaUse] = MappingProxyType({}),
    configured: ConfiguredIdentities | None = None,
    devices: DeviceSettings | None = None,
    servers: ServerCertificateAdministration | None = None,
    approvals: ApprovalSettings | None = None,
) -> Administration:
    """Over this database. ``client_cas``: those in the settings, by name; the others are as the settings say."""
    device_settings = devices or DeviceSettings()  # type: ignore[call-arg]
    people, asking = SqlPeopleStore(database=database, clock=clock), approval_parts(database, clock, approvals)
    identities = SqlKnownIdentities(
        api_tokens=SqlApiTokenStore(database=database, clock=clock),
        users=SqlUserStore(database=database, clock=clock),
        people=people,
        keys=SqlKeyStore(database=database, clock=clock),
        configured=configured or ConfiguredIdentities(),
    )
    known_devices = device_records(device_settings, database, clock)
    of_devices = [name for name, use in client_cas.items() if use is CaUse.DEVICE]
    return Administration(
        policies=PolicyAdministration(
            store=SqlPolicyStore(database=database, clock=clock),
            identities=identities,
            clock=clock,
            approvals=asking.store,
            guard=asking.guard,
        ),
        people=PeopleAdministration(store=people, guard=asking.guard),
        floors=FloorAdministration(store=SqlFloorStore(database=database, clock=clock), guard=asking.guard),
        recalls=RecallAdministration(store=SqlRecalls(database=database, clock=clock)),
        devices=device_administration(device_settings, known_devices, clock),
        device_certificates=DeviceCertificateAdministration(
            records=SqlDeviceCertificates(database=database, clock=clock),
            devices=known_devices,
            revocations=_revocations(database, clock, of_devices),
            clock=clock,
        ),
        ci_sessions=CiSessionAdministration(records=SqlCiSessionStore(database=database, clock=clock)),
        client_certificates=_revocations(database, clock, client_cas),
        server_certificates=servers
        or server_certificates(ServerCertificateSettings(), database, clock, private_key=None),  # type: ignore[call-arg]
    )


def _revocations(database: Database, clock: Clock, cas: Collection[str]) -> ClientCertificateAdministration:
    return ClientCertificateAdministration(store=SqlRevokedCertificates(database=database, clock=clock), cas=cas)

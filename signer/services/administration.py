"""The services of those who administer access."""

from __future__ import annotations

from dataclasses import dataclass

from signer.services.ci_sessions import CiSessionAdministration
from signer.services.client_certificates import ClientCertificateAdministration
from signer.services.device_certificate_administration import DeviceCertificateAdministration
from signer.services.devices import DeviceAdministration
from signer.services.floors import FloorAdministration
from signer.services.people import PeopleAdministration
from signer.services.policy_administration import PolicyAdministration
from signer.services.recalls import RecallAdministration
from signer.services.server_certificates import ServerCertificateAdministration


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """All of them, over one database."""

    policies: PolicyAdministration
    people: PeopleAdministration
    floors: FloorAdministration
    recalls: RecallAdministration
    ci_sessions: CiSessionAdministration
    devices: DeviceAdministration
    device_certificates: DeviceCertificateAdministration
    client_certificates: ClientCertificateAdministration
    server_certificates: ServerCertificateAdministration

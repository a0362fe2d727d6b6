"""The service as every way into it sees it: what can be called, and how much a request may cost.

``bootstrap`` builds it; nothing in it knows HTTP, a command line or a database.
"""

from __future__ import annotations

from dataclasses import dataclass

from signer.artifacts import Form, UploadReader
from signer.services.access import Access
from signer.services.access_ports import Attempts
from signer.services.administration import Administration
from signer.services.admission import Admission
from signer.services.api_tokens import ApiTokenService
from signer.services.approval_contents import ApprovalContents
from signer.services.approvals import ApprovalService
from signer.services.artifact_signing import ArtifactSigning
from signer.services.batch_signing import BatchSigning
from signer.services.certificate_authority import CertificateAuthority
from signer.services.certificates import CertificateService
from signer.services.device_authentication import DeviceAuthentication
from signer.services.device_ca import DeviceCa
from signer.services.device_certificates import DeviceCertificates
from signer.services.device_revocation_lists import DeviceRevocationLists
from signer.services.digest_signing import DigestServices
from signer.services.gateway_door import GatewayDoor
from signer.services.lifecycle import LifecycleService
from signer.services.log_proofs import LogProofService
from signer.services.log_queries import LogQueryService
from signer.services.ports import Authenticator, CiExchange
from signer.services.publication import PublicationService
from signer.services.quarantine import Quarantine
from signer.services.queries import QueryService
from signer.services.readiness import ReadinessService
from signer.services.token_ports import CountingTokenIssuer, TokenVerifier
from signer.services.user_services import UserServices
from signer.spool import Spool
from verifier import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimit:
    """The largest body in bytes, and the setting that says so."""

    octets: int
    setting: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """The bounds of requests: sizes in bytes, ``read_timeout`` in seconds, ``verifier`` those of artifacts."""

    artifact: BodyLimit
    batch: BodyLimit
    json: BodyLimit
    device: BodyLimit
    head_bytes: int
    read_timeout: float
    verifier: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The services of one process, over one database and one set of tokens. Safe for threads.

    ``url``: what the service calls itself; None where it was not told.
    """

    url: str | None
    authenticator: Authenticator
    attempts: Attempts
    access: Access
    admission: Admission
    ci: CiExchange
    artifact_signing: ArtifactSigning
    batch_signing: BatchSigning
    token_issuer: CountingTokenIssuer
    token_verifier: TokenVerifier
    gateway_door: GatewayDoor
    api_tokens: ApiTokenService
    users: UserServices
    lifecycle: LifecycleService
    digests: DigestServices
    certificates: CertificateService
    certificate_authority: CertificateAuthority
    queries: QueryService
    publication: PublicationService
    readiness: ReadinessService
    quarantine: Quarantine
    log: LogQueryService
    log_proofs: LogProofService
    administration: Administration
    approvals: ApprovalService
    approval_contents: ApprovalContents
    device_authentication: DeviceAuthentication
    device_certificates: DeviceCertificates
    device_ca: DeviceCa
    device_revocation_lists: DeviceRevocationLists
    spool: Spool
    limits: RequestLimits

    def upload_reader(self, *, form: Form, replace: bool) -> UploadReader:
        """A reader for one body that is to be signed."""
        limits = self.limits
        return UploadReader(form=form, limits=limits.verifier, head_bytes=limits.head_bytes, replace=replace)

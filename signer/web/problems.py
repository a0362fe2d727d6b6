"""Every refusal as a problem document (RFC 9457): status, stable code, one clear sentence, a hint.

The sentences for people are all here and in ``log_wordings``; artifact refusals are worded by ``verifier.wording``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hsm import errors as hsm_errors
from signer import errors
from signer.domain.timestamps import rfc3339
from signer.web.approval_wordings import APPROVAL_WORDINGS
from signer.web.batch_wordings import BATCH_WORDINGS
from signer.web.certificate_wordings import CERTIFICATE_WORDINGS
from signer.web.ci_wordings import CI_WORDINGS
from signer.web.device_wordings import DEVICE_WORDINGS
from signer.web.dialect_wordings import DIALECT_WORDINGS
from signer.web.families import Family
from signer.web.gateway_wordings import GATEWAY_WORDINGS
from signer.web.import_wordings import IMPORT_WORDINGS
from signer.web.issued_token_wordings import ISSUED_TOKEN_WORDINGS
from signer.web.key_file_wordings import KEY_FILE_WORDINGS
from signer.web.log_wordings import LOG_WORDINGS
from signer.web.monitor_wordings import MONITOR_WORDINGS
from signer.web.policy_wordings import POLICY_WORDINGS
from signer.web.recall_wordings import RECALL_WORDINGS
from signer.web.server_certificate_wordings import SERVER_CERTIFICATE_WORDINGS
from signer.web.token_wordings import TOKEN_WORDINGS
from signer.web.user_wordings import USER_WORDINGS
from signer.web.witness_wordings import WITNESS_WORDINGS
from signer.web.wording import Wording
from verifier import VerificationError
from verifier.wording import explain

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:artifact-signer:problem:"
DEFAULT_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document, ready to be sent. ``facts`` become extension members; ``reason`` is for the log alone."""

    status: int
    code: str
    detail: str
    hint: str | None = None
    facts: Mapping[str, Any]
    retry_after: int | None = None
    reason: str | None = None

    def document(self, request_id: str, family: Family = Family.NATIVE) -> bytes:
        """The JSON body, for clients of this family."""
        if family.is_dialect:
            return json.dumps(self._in_dialect(family), ensure_ascii=False).encode()
        members = self.members(request_id)
        if family is Family.MENDER:
            members["error"] = self.detail
        return json.dumps(members, ensure_ascii=False).encode()

    def _in_dialect(self, family: Family) -> dict[str, Any]:
        sentences = [f"{self.detail} ({self.code})", *([self.hint] if self.hint else [])]
        return {"errors": sentences} if family is Family.VAULT else {"error": ": ".join(sentences)}

    def members(self, request_id: str) -> dict[str, Any]:
        """Those of the JSON document."""
        members: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.code.replace("-", " "),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.hint:
            members["hint"] = self.hint
        if self.facts:
            members["facts"] = {name: _plain(value) for name, value in self.facts.items()}
        return members


WORDINGS: Mapping[type[Exception], Wording] = {
    **APPROVAL_WORDINGS,
    **BATCH_WORDINGS,
    **CERTIFICATE_WORDINGS,
    **CI_WORDINGS,
    **ISSUED_TOKEN_WORDINGS,
    **DEVICE_WORDINGS,
    **DIALECT_WORDINGS,
    **GATEWAY_WORDINGS,
    **IMPORT_WORDINGS,
    **KEY_FILE_WORDINGS,
    **LOG_WORDINGS,
    **MONITOR_WORDINGS,
    **POLICY_WORDINGS,
    **RECALL_WORDINGS,
    **SERVER_CERTIFICATE_WORDINGS,
    **TOKEN_WORDINGS,
    **USER_WORDINGS,
    **WITNESS_WORDINGS,
    errors.InvalidRequest: Wording(status=400, detail="the request cannot be read: {problems}"),
    errors.RouteNotFound: Wording(status=404, detail="there is no such route"),
    errors.MethodNotAllowed: Wording(status=405, detail="the route does not take this method"),
    errors.EncodingNotSupported: Wording(
        status=415,
        detail="the body has the content coding {encoding}, the service takes none",
        hint="send the body as it is, without Content-Encoding",
    ),
    errors.ServiceBusy: Wording(
        status=503, transient=True, detail="the request could not be served in time", hint="try again"
    ),
    errors.EmptyBody: Wording(
        status=400,
        detail="the request has no body",
        hint="send the artifact, its head or its manifest, for example with curl --data-binary @FILE",
    ),
    errors.BodyTooLarge: Wording(
        status=413, detail="the body is larger than {limit} bytes", hint="the setting {setting} is the limit"
    ),
    errors.BodyInterrupted: Wording(status=400, detail="the body ended after {received} bytes, before it was complete"),
    errors.ArtifactIncomplete: Wording(
        status=422,
        detail="the artifact ends after {received} bytes, in its payload",
        hint="send the whole artifact, or no more than its first {head_limit} bytes",
    ),
    errors.SignedAlready: Wording(
        status=409,
        detail="the artifact is signed already",
        hint="add ?replace=true to drop that signature and make a new one",
    ),
    errors.SpoolFull: Wording(
        status=507,
        detail="there is no disk space to hold the artifact while it is checked",
        hint="an operator has to make disk space for the spool directory; a manifest or a head needs none",
    ),
    errors.SpoolUnusable: Wording(
        status=503,
        detail="the spool directory cannot be used: {reason}",
        hint="artifact-signer doctor says how to repair it",
    ),
    errors.CredentialsMissing: Wording(
        status=401, detail="no credentials came with the request", hint="send Authorization: Bearer API-TOKEN"
    ),
    errors.CredentialsRejected: Wording(
        status=401, detail="the credentials are not valid", hint="check the API token, it is used as it is"
    ),
    errors.CredentialsExpired: Wording(
        status=401,
        detail="the credential ended at {expires_at}",
        hint="ask whoever administers the service for another one",
    ),
    errors.RateLimited: Wording(
        status=429,
        transient=True,
        detail="the {limit} new signatures {period} that the rules allow this caller with key {key} are made",
        hint="wait as long as Retry-After says; what is signed already is given out without limit",
    ),
    errors.SignatureCountReached: Wording(
        status=409,
        detail="the {limit} new signatures that the rules ever allow this caller with key {key} are made",
        hint="whoever administers the policy can allow more; what is signed already is given out without limit",
    ),
    errors.TooManyAttempts: Wording(
        status=429,
        transient=True,
        detail="too many wrong credentials came from this address, or for this credential",
        hint="wait as long as Retry-After says; a credential that is right is heard then",
    ),
    errors.ApiTokenExpiryPast: Wording(
        status=400, detail="the API token would have ended at {expires_at}, which is over", hint="choose a later end"
    ),
    errors.CredentialsAmbiguous: Wording(
        status=400,
        detail="two credentials came with the request",
        hint="send one: an Authorization header, a client certificate, or where Vault's clients ask X-Vault-Token",
    ),
    errors.AccessDenied: Wording(status=403, detail="{reason}"),
    errors.PolicyCasesInvalid: Wording(status=422, detail="{path} is no table of cases: {problems}"),
    errors.PolicyInvalid: Wording(status=422, detail="the policy cannot be used: {problems}"),
    errors.ApiTokenNameTaken: Wording(
        status=409,
        detail="an API token named {name} is on record, names are not used twice",
        hint="choose another name; a revoked token keeps its own",
    ),
    errors.ApiTokenNotFound: Wording(
        status=404, detail="there is no API token named {name}", hint="artifact-signer api-tokens list shows all"
    ),
    errors.InvalidName: Wording(
        status=400,
        detail="{name!r} cannot be the name of a key or an API token",
        hint="1 to 63 of a-z, 0-9, dot, hyphen and underscore, beginning with a letter or digit",
    ),
    errors.AlgorithmNotAllowed: Wording(
        status=400,
        detail="{algorithm!r} cannot be used for {purpose} keys",
        hint="use one of {allowed}; devices verify artifacts with RSA and P-256 only",
    ),
    errors.KeyNameTaken: Wording(status=409, detail="a key named {key} exists, names are not used twice"),
    errors.KeyNotFound: Wording(status=404, detail="there is no key named {key}"),
    errors.VersionNotFound: Wording(status=404, detail="key {key} has no version {version}"),
    errors.VersionHasNoPair: Wording(
        status=409,
        detail="version {version} of key {key} has no key pair, making it was interrupted",
        hint="artifact-signer doctor --repair finishes or closes it",
    ),
    errors.CreationUnfinished: Wording(
        status=503,
        detail="token {token} failed while it made the pair of version {version} of key {key}, and does not tell "
        "whether it holds it",
        hint="the version stays pending and its name or number taken: artifact-signer doctor --repair finishes or "
        "closes it",
    ),
    errors.StepNotAllowed: Wording(
        status=409,
        detail="version {version} of key {key} is {state}, {step} is not possible from there",
        hint="possible: {allowed}",
    ),
    errors.NoNextVersion: Wording(
        status=409, detail="key {key} has no next version to rotate to", hint="prepare one first"
    ),
    errors.NextVersionExists: Wording(
        status=409,
        detail="version {version} of key {key} is {state} already, there is one next version at a time",
        hint="rotate to it or disable it; artifact-signer doctor --repair ends a pending one",
    ),
    errors.ActiveVersionExists: Wording(
        status=409, detail="version {version} of key {key} is active, there is one active version at a time"
    ),
    errors.NotInEveryToken: Wording(
        status=409,
        detail="version {version} of key {key} is not in every token: missing in {missing}, no answer from "
        "{unreachable}",
        hint="clone the pair into each token of the key, then rotate again",
    ),
    errors.ConfirmationMismatch: Wording(
        status=400, detail="destroying needs the name of the key, {key}, as confirmation"
    ),
    errors.StateChanged: Wording(
        status=409,
        detail="key {key} was changed by another call, nothing was done",
        hint="look at it and try again",
    ),
    errors.TokenNotConfigured: Wording(
        status=400, detail="no token named {token} is configured", hint="configured: {configured}"
    ),
    errors.PairNotSuitable: Wording(status=409, detail="the pair cannot be adopted: {reason}"),
    errors.PairInUse: Wording(
        status=409, detail="the pair with fingerprint {fingerprint} belongs to another key version already"
    ),
    errors.ClockMovedBack: Wording(
        status=503,
        detail="the clock says {now}, but {newest} is on record already",
        hint="set the clock of the service right",
    ),
    errors.MessageNotAllowed: Wording(status=403, detail="keys for {purpose} do not sign this"),
    errors.ClockLeapt: Wording(
        status=503,
        detail="the clock was set by {seconds} seconds while the service ran, nothing is signed",
        hint="an operator has to look at the clock: set it right, or restart the service if it is right now",
    ),
    errors.ClockDiffers: Wording(
        status=503,
        detail="the clock is {seconds} seconds ahead of the database's server, nothing is signed",
        hint="set the clock of the service right, or that of the database's server; {tolerance} seconds are tolerated",
    ),
    errors.NoActiveVersion: Wording(
        status=409, detail="key {key} has no version that signs", hint="enable one, or prepare one and rotate"
    ),
    errors.VersionNotYetValid: Wording(
        status=409, detail="version {version} of key {key} signs from {not_before} on, not before"
    ),
    errors.VersionExpired: Wording(
        status=409,
        detail="version {version} of key {key} signed until {not_after}, that is over",
        hint="prepare the next version and rotate",
    ),
    errors.SignatureLimitReached: Wording(
        status=409,
        detail="version {version} of key {key} has made the {limit} signatures that it may make",
        hint="prepare the next version and rotate",
    ),
    errors.VersionQuarantined: Wording(
        status=503,
        detail="version {version} of key {key} is quarantined: the token holds another key in its place",
        hint="find out who changed the token; restore the pair and enable the version, or rotate",
    ),
    errors.NoTrustedVersion: Wording(
        status=409,
        detail="key {key} has no version that a device should trust now",
        hint="leave the devices the keys they have (without any, they accept unsigned artifacts); prepare a version",
    ),
    errors.CertificateNotFound: Wording(
        status=404,
        detail="version {version} of key {key} has no certificate",
        hint="artifact-signer keys certificate {key} --version {version} --new makes one",
    ),
    errors.CertificateRejected: Wording(status=400, detail="the certificate cannot be accepted: {reason}"),
    errors.DatabaseUnavailable: Wording(
        status=503, transient=True, detail="the database does not answer", hint="try again"
    ),
    errors.DatabaseFull: Wording(
        status=507,
        detail="the disk of the database is full",
        hint="an operator has to make disk space for the database",
    ),
    errors.DatabaseReadOnly: Wording(
        status=503,
        detail="the database takes no writes",
        hint="an operator has to name the server that does, or let the service write to the file",
    ),
    errors.DatabaseFileLost: Wording(
        status=503,
        detail="the database is lost: {found}",
        hint="stop the service, put the database back from its backup, start again; a new installation makes it with "
        "artifact-signer database upgrade",
    ),
    errors.DatabaseDamaged: Wording(
        status=503, detail="the database cannot be used: {damage}", hint="an operator has to restore it from its backup"
    ),
    errors.DatabaseRevisionMismatch: Wording(
        status=503,
        detail="the database is at revision {found}, this release needs {expected}",
        hint="run artifact-signer database upgrade",
    ),
    errors.RecorderUnavailable: Wording(
        status=503,
        transient=True,
        detail="the recorder did not answer, so the signature was not given out",
        hint="try again: what was recorded meanwhile is answered with the same signature",
    ),
    errors.InstallationInUse: Wording(
        status=503,
        detail="a service runs on this installation already, it holds {lock}",
        hint="stop it first, or give this one a spool directory and a database of its own",
    ),
    errors.ConfigurationInvalid: Wording(status=500, detail="the configuration cannot be used"),
}

UNEXPECTED = Problem(
    status=500,
    code="internal-error",
    detail="the service failed in a way it does not know",
    hint="the log has a line with the same request id",
    facts={},
)


def problem_of(error: Exception) -> Problem:
    """The problem document of any error; what is not foreseen tells nothing of its inside."""
    if isinstance(error, VerificationError):
        explanation = explain(error)
        return Problem(status=422, code=error.code, detail=explanation.sentence, hint=explanation.hint, facts={})
    if isinstance(error, errors.SignerError | hsm_errors.TokenError):
        wording = _wording(type(error))
        facts = error.facts
        if isinstance(error, hsm_errors.TokenError):
            # Where the module lies and what it returned is for the log, not for callers.
            facts = {name: value for name, value in facts.items() if name == "token"}
        words = {name: _words(value) for name, value in facts.items()}
        return Problem(
            status=wording.status,
            code=error.code,
            detail=wording.detail.format(**words),
            hint=wording.hint.format(**words) if wording.hint else None,
            facts=facts,
            retry_after=_retry_after(error, wording),
            reason=error.reason_for_log if isinstance(error, errors.SignerError) else None,
        )
    return UNEXPECTED


def _wording(kind: type[Exception]) -> Wording:
    return next(WORDINGS[base] for base in kind.__mro__ if base in WORDINGS)


def _retry_after(error: Exception, wording: Wording) -> int | None:
    """Whole seconds after which trying again makes sense; None where it does not."""
    if not wording.transient:
        return None
    seconds = getattr(error, "retry_after", None)
    return max(1, math.ceil(seconds)) if seconds is not None else DEFAULT_RETRY_SECONDS


def _words(value: object) -> Any:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "none"
    return rfc3339(value.replace(microsecond=0)) if isinstance(value, datetime) else value


def _plain(value: object) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return rfc3339(value) if isinstance(value, datetime) else value

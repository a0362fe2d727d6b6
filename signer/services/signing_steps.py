"""The steps of a signature over an artifact's manifest: what decides of it, and what its outcomes mean.

A step brings a job further, or ends it with a result. Who takes the steps, for one job or for many, is
``ArtifactSigning`` and ``SigningGathering``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta

from signer.domain.access.actions import Action
from signer.domain.access.blind import decide_blind
from signer.domain.access.deciding import decide
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts, NeedsApproval
from signer.domain.access.policy import Policy
from signer.domain.floors import claim_of
from signer.domain.keys import Key, KeyVersion, is_name
from signer.domain.records import Approved, Outcome, Recorded, Refusal, Refused, SignatureEntry, Stale
from signer.domain.refusals import RefusedCall
from signer.errors import ApprovalRequired, KeyNotFound, SignerError
from signer.errors.blind import BlindSignOff
from signer.errors.recalls import ManifestRecalled
from signer.services.access import refusal
from signer.services.clock import SteadyClock
from signer.services.emergencies import tell_emergency
from signer.services.known_records import KnownKey, KnownPolicy, KnownRecords
from signer.services.ports import Recorder
from signer.services.quarantine import after_failure
from signer.services.reached_limits import ReachedLimits, limit_error
from signer.services.released import released
from signer.services.signature_approvals import SignatureApprovals
from signer.services.signing_calls import Job, Place, SigningCall, emergency_of
from signer.services.signing_refusals import at_its_limit, below_floor, not_signing, reason_of, signing_version

RECALLED = "the manifest was recalled"


class SigningSteps:
    """For one event loop."""

    def __init__(
        self,
        *,
        records: KnownRecords,
        approvals: SignatureApprovals,
        recorder: Recorder,
        quarantine: Callable[[Key, KeyVersion], None],
        clock: SteadyClock,
        clock_tolerance: timedelta,
    ) -> None:
        self._records = records
        self._approvals = approvals
        self._recorder = recorder
        self._quarantine = quarantine
        self._clock = clock
        self._tolerance = clock_tolerance
        self._reached = ReachedLimits()

    def decide_at_once(self, job: Job, now: datetime) -> bool:
        """Whether what is remembered allows it. Where it does not, it has to be asked: it may have been true once."""
        call = job.call
        remembered = self._records.remembered(call.key)
        if remembered is None or call.access_revision not in (None, remembered.key.revision):
            return False
        known = remembered.key
        decision = _decision(remembered.policy.policy, call, known.facts, now)
        if not isinstance(decision, Allow):
            return False
        recalled = job.digest in remembered.recalled
        try:
            self._take(job, remembered.policy, known, decision, recalled=recalled, now=now)
        except SignerError:
            job.denied = None
            return False
        return True

    async def decide(self, jobs: Iterable[Job]) -> tuple[list[Job], Mapping[Place, bytes]]:
        """Those of the jobs that may go on, with what is on record of them; the others have their results."""
        going_on = []
        for job in jobs:
            try:
                try:
                    await self._decide(job, await self._records.policy(), self._records.key, present=False)
                except SignerError:
                    # Never by what was only remembered: it may have been true once.
                    job.denied = None
                    await self._decide(
                        job, await self._records.present_policy(), self._records.present_key, present=True
                    )
            except SignerError as error:
                job.result = error
                self._tell(job)
            else:
                going_on.append(job)
        if not going_on:
            return [], {}
        return going_on, await self._records.signatures({job.place for job in going_on})

    def blocked(self, job: Job, now: datetime) -> Exception | None:
        """Why the token is not to be asked: a limit that is known to be reached."""
        if at_its_limit(job.version):
            return reason_of(job.key, Refusal.LIMIT_REACHED, now=now)
        reached = self._reached.among(job.call.identity.name, job.call.key, job.limits, now)
        return None if reached is None else limit_error(job.call.key, reached, now)

    async def failed(self, job: Job, error: Exception) -> Exception:
        """What is told where the token made no signature, after what has to be done then."""
        return await after_failure(self._quarantine, job.key, job.version, error)

    async def fail(self, job: Job, error: Exception) -> None:
        """End the job so."""
        job.result = await self.failed(job, error)

    @staticmethod
    def release(job: Job, entry: SignatureEntry, recorded: Recorded) -> None:
        """The job ends with the signature on record."""
        job.result = released(job.key, job.version, recorded, emergency=job.emergency is not None)
        if job.emergency is not None:
            tell_emergency(job.emergency, entry, recorded)

    async def recorded(self, job: Job, entry: SignatureEntry, outcome: Outcome | SignerError) -> None:
        """What the recorder says ends the job, or leaves it without a result: then it is to be decided again."""
        match outcome:
            case Recorded():
                self.release(job, entry, outcome)
            case Stale():
                self._records.told(outcome.access_revision)
            case Refused(reason=Refusal.APPROVAL_ENDED):
                pass  # the next round asks people anew
            case Refused():
                job.result = await self._refused(job, outcome)
            case _:
                job.result = outcome

    def _tell(self, job: Job) -> None:
        """Have a refusal by policy put on record; others are about keys, and say nothing of who asked."""
        call = job.call
        if job.denied is not None and is_name(call.key):
            self._recorder.refuse(
                RefusedCall(
                    identity=call.identity.name,
                    key=call.key,
                    reason=job.denied,
                    request_id=call.request_id,
                    manifest_sha256=job.digest,
                )
            )

    async def _decide(
        self, job: Job, policy: KnownPolicy, key_of: Callable[[str], Awaitable[KnownKey]], *, present: bool
    ) -> None:
        call, now = job.call, self._clock()
        known: KnownKey | None = None
        try:
            known = await key_of(call.key)
            facts = known.facts
        except KeyNotFound:
            facts = KeyFacts(name=call.key)
        if call.access_revision is not None and (known is None or call.access_revision != known.revision):
            await self._records.confirm(call.identity)
        decision = _decision(policy.policy, call, facts, now)
        if isinstance(decision, Deny):
            job.denied = decision.reason
            raise refusal(policy.policy, call.identity, call.key, decision, at=now)
        if known is None:
            raise KeyNotFound(key=call.key)
        recalled = await self._records.recalled(job.digest)
        self._take(job, policy, known, decision, recalled=recalled, now=now)
        if isinstance(decision, NeedsApproval):
            if not present:
                # People are asked by the rules as they are now.
                raise ApprovalRequired(about=call.key)
            await self._approved(job, decision)

    def _take(
        self,
        job: Job,
        policy: KnownPolicy,
        known: KnownKey,
        decision: Allow | NeedsApproval,
        *,
        recalled: bool,
        now: datetime,
    ) -> None:
        """Take over what the decision says; raises why the key's version may not sign all the same."""
        call = job.call
        if call.dialect is not None and not known.key.blind_sign:
            job.denied = f"the key {call.key} signs no digests"
            raise BlindSignOff(key=call.key)
        job.rule, job.claim = decision.rule, claim_of(call.key, decision.floors)
        job.limits = decision.limits
        if recalled:
            job.denied = RECALLED
            raise ManifestRecalled(manifest_sha256=job.digest)
        passed = isinstance(decision, Allow) and decision.emergency
        job.emergency = emergency_of(call) if passed else None
        job.version = signing_version(known.key, now=now, tolerance=self._tolerance)
        job.place = (job.version.id, job.digest)
        if call.version not in (None, job.version.number):
            raise not_signing(known.key, call.version or 0)
        # Whichever of the two is older is what this was decided under.
        job.key, job.revision = known.key, min(known.revision, policy.revision)
        job.approval = None

    async def _approved(self, job: Job, needs: NeedsApproval) -> None:
        """Raises what ``SignatureApprovals.given`` does where people have not approved it."""
        call = job.call
        given = await self._approvals.given(call.identity, call.key, job.version.number, call.request, needs)
        job.approval = Approved(id=given.id, expires_at=given.expires_at)
        job.revision = min(job.revision, given.revision)

    async def _refused(self, job: Job, refused: Refused) -> Exception:
        reason = refused.reason
        if reason is Refusal.RECALLED:
            job.denied = RECALLED
            self._tell(job)
            return ManifestRecalled(manifest_sha256=job.digest)
        if reason is Refusal.NOT_RECORDABLE:
            return RuntimeError("what was signed has no form as a record")
        if refused.unmet is not None and job.claim is not None:
            below = below_floor(job.call.key, job.claim, refused.unmet)
            job.denied = f"the rule {job.rule} does not allow it: version: {below.version} against {below.floor}"
            self._tell(job)
            return below
        if refused.reached is not None:
            self._reached.note(job.call.identity.name, job.call.key, refused.reached)
            job.denied = f"the rule {job.rule} does not allow it: limits: {refused.reached.period}"
            self._tell(job)
            return limit_error(job.call.key, refused.reached, self._clock())
        try:
            # Read anew: what refused is in it, and whoever asks next is told so without the token.
            known = await self._records.read(job.call.key)
        except SignerError as error:
            return error
        return reason_of(known.key, reason, now=self._clock())


def _decision(policy: Policy, call: SigningCall, key: KeyFacts, now: datetime) -> Decision:
    if call.dialect is not None:
        return decide_blind(policy, call.identity, key=key, request=call.request, at=now)
    emergency = call.emergency is not None
    return decide(policy, call.identity, Action.SIGN, key=key, request=call.request, at=now, emergency=emergency)

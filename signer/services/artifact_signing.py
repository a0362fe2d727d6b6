"""Signatures over artifacts' manifests, one or many at once, from checked requests to what may leave.

1. Decide: the rules allow it, for this identity, this key and what was seen of the artifact; the key's active version
   may sign as far as is known here.
2. Sign: what is on record already is not signed again. The token layer verifies each signature with the pinned public
   key before it returns it; a key that is not the pinned one quarantines the version.
3. Record: the recorder decides once more, under the lock of the database, counts and records, durably.
4. Release: the signature *on record* leaves. Before that, nothing does: what fails anywhere is dropped.

What was decided under a revision of keys and access that has passed is decided again, with the identity confirmed.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from signer.domain.access.actions import Action
from signer.domain.access.blind import decide_blind
from signer.domain.access.deciding import decide, may_ask, purpose_denial
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts, NeedsApproval
from signer.domain.access.policy import Policy
from signer.domain.floors import claim_of
from signer.domain.identity import Identity
from signer.domain.keys import Key, KeyVersion, is_name
from signer.domain.records import Approved, Recorded, Refusal, Refused, Stale
from signer.domain.refusals import RefusedCall
from signer.domain.requests import Signature, signed_sha256
from signer.errors import ApprovalRequired, KeyNotFound, ServiceBusy, SignerError
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
from signer.services.signing import AsyncMessageSigner, signing_key
from signer.services.signing_calls import (
    Job,
    Place,
    Result,
    SigningCall,
    emergency_of,
    end,
    entry_of,
    message_of,
)
from signer.services.signing_refusals import at_its_limit, below_floor, not_signing, reason_of, signing_version
from signer.services.stages import Stages

# The first time, and again where keys or access change meanwhile: several people at work, beside a slow token, are
# no reason to refuse. What changes all the time ends it all the same.
ROUNDS = 10
RECALLED = "the manifest was recalled"


class ArtifactSigning:
    """Signs what was checked. For one event loop."""

    def __init__(  # noqa: PLR0913  (all that it uses, by keyword)
        self,
        *,
        records: KnownRecords,
        approvals: SignatureApprovals,
        signer: AsyncMessageSigner,
        recorder: Recorder,
        quarantine: Callable[[Key, KeyVersion], None],
        clock: SteadyClock,
        clock_tolerance: timedelta,
        timeout: float,
        observe: Callable[[BaseException], None],
        stages: Stages,
    ) -> None:
        self._records = records
        self._approvals = approvals
        self._signer = signer
        self._recorder = recorder
        self._quarantine = quarantine
        self._clock = clock
        self._tolerance = clock_tolerance
        self._timeout = timeout
        self._observe = observe
        self._stages = stages
        self._reached = ReachedLimits()

    async def authorise(
        self, identity: Identity, key_name: str, *, action: Action = Action.SIGN, emergency: bool = False
    ) -> int:
        """Whether the identity may ask this key to sign artifacts: asked before a body is read.

        ``action``: ``sign-blind`` for digests. ``emergency``: past its approvals. Returns the revision of keys and
        access under which it may. Raises ``AccessDenied``, ``KeyNotFound`` or ``CredentialsRejected``.
        """
        return await self._stages.decide.over(self._authorised(identity, key_name, action, emergency=emergency))

    async def _authorised(self, identity: Identity, key_name: str, action: Action, *, emergency: bool) -> int:
        policy = await self._records.policy()
        # What is returned stands for the identity as well, and that was proved before the revision was asked for.
        await self._records.confirm_unless_proved(identity)
        denied = self._may_ask(policy, identity, key_name, action, emergency=emergency)
        if denied is not None:
            # Never by what was only remembered: it may have been true once.
            policy = await self._records.present_policy()
            denied = self._may_ask(policy, identity, key_name, action, emergency=emergency)
        if denied is None:
            known = await self._records.key(key_name)
            denied = purpose_denial(action, known.facts)
            if denied is None:
                return known.revision
        if is_name(key_name):
            self._recorder.refuse(RefusedCall(identity=identity.name, key=key_name, reason=denied.reason))
        raise refusal(policy.policy, identity, key_name, denied, at=self._clock())

    def _may_ask(
        self, policy: KnownPolicy, identity: Identity, key: str, action: Action, *, emergency: bool
    ) -> Deny | None:
        facts = KeyFacts(name=key)
        decision = may_ask(policy.policy, identity, action, key=facts, at=self._clock(), emergency=emergency)
        return decision if isinstance(decision, Deny) else None

    async def sign(self, call: SigningCall) -> Signature:
        """A signature over the manifest by the key's active version, on record.

        Raises ``AccessDenied``, ``KeyNotFound``, ``CredentialsRejected``, what says why the version may not sign now, a
        ``hsm.errors.TokenError``, ``RecorderUnavailable``, ``ServiceBusy``, or what the database raises.
        """
        (result,) = await self.sign_many((call,))
        if isinstance(result, Exception):
            raise result
        return result

    async def sign_many(self, calls: Sequence[SigningCall]) -> list[Result]:
        """A signature for each call, in order, or the error that ``sign`` would raise for it."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        jobs = [Job(call, signed_sha256(call.request)) for call in calls]
        made: dict[Place, bytes] = {}
        try:
            self._clock.check()
            waiting = jobs
            for _ in range(ROUNDS):
                await self._round(waiting, made, deadline)
                waiting = [job for job in waiting if job.result is None]
                if not waiting:
                    break
        except Exception as error:  # noqa: BLE001  (an outcome for each, whatever happened to all of them)
            end(jobs, error)
        end(jobs, ServiceBusy())
        results = [job.result for job in jobs if job.result is not None]
        for result in results:
            if isinstance(result, Exception):
                # Whether it was for a reason of the service is for readiness to say.
                self._observe(result)
        return results

    async def _round(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float) -> None:
        """Bring the jobs to a result, or leave them without one where what decided them has passed."""
        decided, found = await self._stages.decide.over(self._decided(jobs))
        if not decided:
            return
        current = [job for job in decided if self._records.is_current(job.revision)]
        # What is on record is what leaves; a signature of ours that has none yet is not made again either.
        made.update(found)
        await self._sign([job for job in current if job.place not in made], made, deadline)
        await self._stages.record.over(self._record([job for job in current if job.result is None], made, deadline))

    async def _decided(self, jobs: Iterable[Job]) -> tuple[list[Job], Mapping[Place, bytes]]:
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
        if call.dialect is not None and not known.key.blind_sign:
            job.denied = f"the key {call.key} signs no digests"
            raise BlindSignOff(key=call.key)
        job.rule, job.claim = decision.rule, claim_of(call.key, decision.floors)
        job.limits = decision.limits
        if await self._records.recalled(job.digest):
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
        if isinstance(decision, NeedsApproval):
            if not present:
                # People are asked by the rules as they are now.
                raise ApprovalRequired(about=call.key)
            await self._approved(job, decision)

    async def _approved(self, job: Job, needs: NeedsApproval) -> None:
        """Raises what ``SignatureApprovals.given`` does where people have not approved it."""
        call = job.call
        given = await self._approvals.given(call.identity, call.key, job.version.number, call.request, needs)
        job.approval = Approved(id=given.id, expires_at=given.expires_at)
        job.revision = min(job.revision, given.revision)

    async def _sign(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float) -> None:
        """Have signed what is not on record, each manifest once; what fails ends the jobs that need it."""
        places: dict[Place, list[Job]] = {}
        now = self._clock()
        for job in jobs:
            if at_its_limit(job.version):
                job.result = reason_of(job.key, Refusal.LIMIT_REACHED, now=now)
            elif (reached := self._reached.among(job.call.identity.name, job.call.key, job.limits, now)) is not None:
                job.result = limit_error(job.call.key, reached, now)
            else:
                places.setdefault(job.place, []).append(job)
        if not places:
            return
        firsts = [each[0] for each in places.values()]
        versions = {job.version.id: (job.key, job.version) for job in firsts}
        keys = {number: signing_key(*each) for number, each in versions.items()}
        asked = [(keys[job.version.id], message_of(job.call.request)) for job in firsts]
        outcomes = await self._signer.sign_each(asked, timeout=deadline - asyncio.get_running_loop().time())
        for (place, waiting), outcome in zip(places.items(), outcomes, strict=True):
            if isinstance(outcome, bytes):
                made[place] = base64.b64encode(outcome)
                continue
            error = await after_failure(self._quarantine, waiting[0].key, waiting[0].version, outcome)
            for job in waiting:
                job.result = error

    async def _record(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float) -> None:
        entries = [entry_of(job, made[job.place]) for job in jobs]
        outcomes = await self._recorder.record_many(entries, deadline=deadline) if entries else []
        for job, entry, outcome in zip(jobs, entries, outcomes, strict=True):
            match outcome:
                case Recorded():
                    job.result = released(job.key, job.version, outcome, emergency=job.emergency is not None)
                    if job.emergency is not None:
                        tell_emergency(job.emergency, entry, outcome)
                case Stale():
                    self._records.told(outcome.access_revision)
                case Refused(reason=Refusal.APPROVAL_ENDED):
                    pass  # the next round asks people anew
                case Refused():
                    job.result = await self._refused(job, outcome)
                case _:
                    job.result = outcome

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

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
from collections.abc import Callable, Sequence

from signer.domain.access.actions import Action
from signer.domain.access.deciding import may_ask, purpose_denial
from signer.domain.access.decisions import Deny, KeyFacts
from signer.domain.identity import Identity
from signer.domain.keys import is_name
from signer.domain.refusals import RefusedCall
from signer.domain.requests import Signature, signed_sha256
from signer.errors import ServiceBusy
from signer.services.access import refusal
from signer.services.clock import SteadyClock
from signer.services.known_records import KnownPolicy, KnownRecords
from signer.services.ports import Recorder
from signer.services.signing import AsyncMessageSigner, signing_key
from signer.services.signing_calls import Job, Place, Result, SigningCall, end, entry_of, message_of
from signer.services.signing_gathering import Joined, SigningGathering
from signer.services.signing_steps import SigningSteps
from signer.services.stages import Stages

# The first time, and again where keys or access change meanwhile: several people at work, beside a slow token, are
# no reason to refuse. What changes all the time ends it all the same.
ROUNDS = 10


class ArtifactSigning:
    """Signs what was checked. For one event loop."""

    def __init__(  # noqa: PLR0913  (all that it uses, by keyword)
        self,
        *,
        records: KnownRecords,
        steps: SigningSteps,
        gathering: SigningGathering,
        signer: AsyncMessageSigner,
        recorder: Recorder,
        clock: SteadyClock,
        timeout: float,
        observe: Callable[[BaseException], None],
        stages: Stages,
    ) -> None:
        self._records = records
        self._steps = steps
        self._gathering = gathering
        self._signer = signer
        self._recorder = recorder
        self._clock = clock
        self._timeout = timeout
        self._observe = observe
        self._stages = stages

    async def authorise(
        self, identity: Identity, key_name: str, *, action: Action = Action.SIGN, emergency: bool = False
    ) -> int:
        """Whether the identity may ask this key to sign artifacts: asked before a body is read.

        ``action``: ``sign-blind`` for digests. ``emergency``: past its approvals. Returns the revision of keys and
        access under which it may. Raises ``AccessDenied``, ``KeyNotFound`` or ``CredentialsRejected``.
        """
        with self._stages.decide:
            revision = self._remembered(identity, key_name, action, emergency=emergency)
        if revision is not None:
            return revision
        return await self._stages.decide.over(self._authorised(identity, key_name, action, emergency=emergency))

    def _remembered(self, identity: Identity, key_name: str, action: Action, *, emergency: bool) -> int | None:
        """The revision, where what is remembered allows it."""
        remembered = self._records.remembered(key_name)
        if remembered is None or not self._records.proved(identity):
            return None
        if self._may_ask(remembered.policy, identity, remembered.key.named, action, emergency=emergency) is not None:
            return None
        known = remembered.key
        return known.revision if purpose_denial(action, known.facts) is None else None

    async def _authorised(self, identity: Identity, key_name: str, action: Action, *, emergency: bool) -> int:
        policy = await self._records.policy()
        # What is returned stands for the identity as well, and that was proved before the revision was asked for.
        await self._records.confirm_unless_proved(identity)
        denied = self._may_ask(policy, identity, KeyFacts(name=key_name), action, emergency=emergency)
        if denied is not None:
            # Never by what was only remembered: it may have been true once.
            policy = await self._records.present_policy()
            denied = self._may_ask(policy, identity, KeyFacts(name=key_name), action, emergency=emergency)
        if denied is None:
            known = await self._records.key(key_name)
            denied = purpose_denial(action, known.facts)
            if denied is None:
                return known.revision
        if is_name(key_name):
            self._recorder.refuse(RefusedCall(identity=identity.name, key=key_name, reason=denied.reason))
        raise refusal(policy.policy, identity, key_name, denied, at=self._clock())

    def _may_ask(
        self, policy: KnownPolicy, identity: Identity, key: KeyFacts, action: Action, *, emergency: bool
    ) -> Deny | None:
        decision = may_ask(policy.policy, identity, action, key=key, at=self._clock(), emergency=emergency)
        return decision if isinstance(decision, Deny) else None

    async def sign(self, call: SigningCall) -> Signature:
        """A signature over the manifest by the key's active version, on record.

        Raises ``AccessDenied``, ``KeyNotFound``, ``CredentialsRejected``, what says why the version may not sign now, a
        ``hsm.errors.TokenError``, ``RecorderUnavailable``, ``ServiceBusy``, or what the database raises.
        """
        joined = self._gathering.join(call)
        await joined.woken
        if joined.job.result is None:
            await self._go_on(joined)
        (result,) = self._results([joined.job])
        if isinstance(result, Exception):
            raise result
        return result

    async def sign_many(self, calls: Sequence[SigningCall]) -> list[Result]:
        """A signature for each call, in order, or the error that ``sign`` would raise for it."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        jobs = [Job(call, signed_sha256(call.request)) for call in calls]
        try:
            self._clock.check()
            await self._rounds(jobs, {}, deadline, ROUNDS)
        except Exception as error:  # noqa: BLE001  (an outcome for each, whatever happened to all of them)
            end(jobs, error)
        return self._results(jobs)

    async def _go_on(self, joined: Joined) -> None:
        """Bring a call to its result that its group has left without one."""
        job, group, rounds = joined.job, joined.group, ROUNDS
        try:
            if joined.going_on is not None:
                # It has had a round: what came of it may be its end, or have it decided again.
                await joined.going_on()
                rounds -= 1
            if job.result is None:
                await self._rounds([job], group.made, group.deadline, rounds)
        except Exception as error:  # noqa: BLE001  (as for many)
            end([job], error)

    async def _rounds(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float, rounds: int) -> None:
        waiting = jobs
        for _ in range(rounds):
            await self._round(waiting, made, deadline)
            waiting = [job for job in waiting if job.result is None]
            if not waiting:
                break
        end(waiting, ServiceBusy())

    def _results(self, jobs: Sequence[Job]) -> list[Result]:
        results = [job.result for job in jobs if job.result is not None]
        for result in results:
            if isinstance(result, Exception):
                # Whether it was for a reason of the service is for readiness to say.
                self._observe(result)
        return results

    async def _round(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float) -> None:
        """Bring the jobs to a result, or leave them without one where what decided them has passed."""
        decided, found = await self._stages.decide.over(self._steps.decide(jobs))
        if not decided:
            return
        current = [job for job in decided if self._records.is_current(job.revision)]
        # What is on record is what leaves; a signature of ours that has none yet is not made again either.
        made.update(found)
        await self._sign([job for job in current if job.place not in made], made, deadline)
        await self._stages.record.over(self._record([job for job in current if job.result is None], made, deadline))

    async def _sign(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float) -> None:
        """Have signed what is not on record, each manifest once; what fails ends the jobs that need it."""
        places: dict[Place, list[Job]] = {}
        now = self._clock()
        for job in jobs:
            job.result = self._steps.blocked(job, now)
            if job.result is None:
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
            error = await self._steps.failed(waiting[0], outcome)
            for job in waiting:
                job.result = error

    async def _record(self, jobs: Sequence[Job], made: dict[Place, bytes], deadline: float) -> None:
        entries = [entry_of(job, made[job.place]) for job in jobs]
        outcomes = await self._recorder.record_many(entries, deadline=deadline) if entries else []
        for job, entry, outcome in zip(jobs, entries, outcomes, strict=True):
            await self._steps.recorded(job, entry, outcome)

"""Tokens for users and devices, from a subject to what may leave.

1. Sign: the active version of the installation's key for such tokens signs the claims. The token layer verifies each
   signature with the pinned public key before it returns it.
2. Record: the recorder looks once more, under the lock of the database, whether that version is active and the subject
   may have a token, counts, and records, durably: digests, and nothing that could be used.
3. Release: before that, nothing leaves. A token whose answer was lost is on record, and nobody has it.

Where the version that signed is not active any more when it is recorded, the next one signs anew.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from signer.domain.keys import Key, KeyVersion
from signer.domain.leaves import new_leaf_id
from signer.domain.messages import DeviceTokenClaims, UserTokenClaims
from signer.domain.records import Recorded, Refusal, Refused
from signer.domain.token_claims import (
    JWS_ALGORITHMS,
    DeviceClaims,
    DeviceSubject,
    IssuedToken,
    TokenHeader,
    TokenKind,
    TokenSubject,
    TokenTerms,
    TokenTimes,
    UserClaims,
    kid_of,
    token_text,
)
from signer.domain.token_records import TokenEntry, sha256_hex
from signer.errors import (
    KeyNotFound,
    ServiceBusy,
    SubjectRefused,
    TokenKeyMissing,
    TokensLimited,
)
from signer.services.clock import SteadyClock
from signer.services.known_records import KnownRecords
from signer.services.ports import Recorder
from signer.services.quarantine import after_failure
from signer.services.signing import AsyncMessageSigner, signing_key
from signer.services.signing_refusals import at_its_limit, reason_of, signing_version
from signer.services.stages import Stages

# The first time, and again where the key was rotated meanwhile.
ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCall:
    """A token that is asked for. ``actor``: who asks, as the leaf names them."""

    subject: TokenSubject
    actor: str
    request_id: str

    @property
    def kind(self) -> TokenKind:
        """Whose token it will be."""
        return TokenKind.DEVICE if isinstance(self.subject, DeviceSubject) else TokenKind.USER


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A token that is not on record yet."""

    call: TokenCall
    key: Key
    version: KeyVersion
    jti: str
    times: TokenTimes
    signed: bytes
    signature: bytes

    def entry(self) -> TokenEntry:
        """What the recorder is told of it."""
        subject = self.call.subject
        return TokenEntry(
            record_id=new_leaf_id(),
            request_id=self.call.request_id,
            actor=self.call.actor,
            kind=self.call.kind,
            subject=subject.device_id if isinstance(subject, DeviceSubject) else subject.user_id,
            auth_set=subject.auth_set_id if isinstance(subject, DeviceSubject) else "",
            name="" if isinstance(subject, DeviceSubject) else subject.name or "",
            jti=self.jti,
            key=self.key.name,
            version_id=self.version.id,
            version=self.version.number,
            fingerprint=self.version.fingerprint or "",
            signed_sha256=sha256_hex(self.signed),
            signature_sha256=sha256_hex(self.signature),
            issued_at=self.times.issued_at,
            expires_at=self.times.expires_at,
        )


class TokenIssuing:
    """``token_ports.CountingTokenIssuer``. For one event loop."""

    def __init__(  # noqa: PLR0913  (all that it uses, by keyword)
        self,
        *,
        terms: Mapping[TokenKind, TokenTerms],
        records: KnownRecords,
        signer: AsyncMessageSigner,
        recorder: Recorder,
        quarantine: Callable[[Key, KeyVersion], None],
        clock: SteadyClock,
        clock_tolerance: timedelta,
        timeout: float,
        observe: Callable[[BaseException], None],
        stages: Stages,
    ) -> None:
        self._terms = terms
        self._records = records
        self._signer = signer
        self._recorder = recorder
        self._quarantine = quarantine
        self._clock = clock
        self._tolerance = clock_tolerance
        self._timeout = timeout
        self._observe = observe
        self._stages = stages
        self._issued: Counter[tuple[str, str, str]] = Counter()

    @property
    def issued(self) -> Mapping[tuple[str, str, str], int]:
        """As the port."""
        return self._issued

    async def issue(self, subject: TokenSubject, *, actor: str, request_id: str) -> IssuedToken:
        """As the port."""
        call = TokenCall(subject=subject, actor=actor, request_id=request_id)
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            self._clock.check()
            for _ in range(ROUNDS):
                signed = await self._signed(call, deadline)
                issued = await self._stages.record.over(self._recorded(signed, deadline))
                if issued is not None:
                    return issued
        except Exception as error:
            # Whether it was for a reason of the service is for readiness to say.
            self._observe(error)
            raise
        raise ServiceBusy

    async def _signed(self, call: TokenCall, deadline: float) -> _Signed:
        terms = self._terms[call.kind]
        key = await self._stages.decide.over(self._key(call.kind, terms))
        version = signing_version(key, now=self._clock(), tolerance=self._tolerance)
        if at_its_limit(version):
            raise reason_of(key, Refusal.LIMIT_REACHED, now=self._clock())
        jti = str(uuid.uuid4())
        header = TokenHeader(algorithm=JWS_ALGORITHMS[key.algorithm], kid=kid_of(version.fingerprint or ""))
        message, times = self._message(call.subject, header, terms, jti)
        left = deadline - asyncio.get_running_loop().time()
        (signature,) = await self._signer.sign_each([(signing_key(key, version), message)], timeout=left)
        if isinstance(signature, Exception):
            raise await after_failure(self._quarantine, key, version, signature)
        return _Signed(
            call=call,
            key=key,
            version=version,
            jti=jti,
            times=times,
            signed=message.content,
            signature=signature,
        )

    async def _key(self, kind: TokenKind, terms: TokenTerms) -> Key:
        try:
            key = (await self._records.key(terms.key)).key
        except KeyNotFound:
            raise TokenKeyMissing(key=terms.key, purpose=kind.purpose.value) from None
        if key.purpose is not kind.purpose:
            raise TokenKeyMissing(key=terms.key, purpose=kind.purpose.value)
        return key if key.active is not None else (await self._records.present_key(terms.key)).key

    def _message(
        self, subject: TokenSubject, header: TokenHeader, terms: TokenTerms, jti: str
    ) -> tuple[DeviceTokenClaims | UserTokenClaims, TokenTimes]:
        if isinstance(subject, DeviceSubject):
            times = TokenTimes.beginning(self._clock(), terms.lifetime)
            claims = DeviceClaims(jti=jti, subject=subject, terms=terms, times=times)
            return DeviceTokenClaims(header=header, claims=claims), times
        times = TokenTimes.beginning(self._clock(), terms.lifetime if subject.lifetime is None else subject.lifetime)
        return UserTokenClaims(
            header=header, claims=UserClaims(jti=jti, subject=subject, terms=terms, times=times)
        ), times

    async def _recorded(self, signed: _Signed, deadline: float) -> IssuedToken | None:
        """The token; None where the version that signed it is not active any more."""
        (outcome,) = await self._recorder.record_many([signed.entry()], deadline=deadline)
        match outcome:
            case Recorded():
                text = token_text(signed.signed, signed.signature)
                self._issued[signed.call.kind.value, signed.key.name, str(signed.version.number)] += 1
                return IssuedToken(text=text, jti=signed.jti, expires_at=signed.times.expires_at)
            case Refused():
                await self._refused(signed, outcome)
                return None
            case Exception():
                raise outcome
        raise RuntimeError("a token was decided under no revision")

    async def _refused(self, signed: _Signed, refused: Refused) -> None:
        match refused.reason:
            case Refusal.SUBJECT_REFUSED:
                raise SubjectRefused
            case Refusal.TOKENS_LIMITED:
                raise TokensLimited(retry_after=refused.retry_after or 1.0)
            case Refusal.NOT_RECORDABLE:
                raise RuntimeError("what was signed has no form as a record")
        # Read anew: what refused is in it, and whoever asks next is told so without the token.
        key = (await self._records.read(signed.key.name)).key
        if refused.reason is not Refusal.NOT_ACTIVE or key.active is None or key.active.id == signed.version.id:
            raise reason_of(key, refused.reason, now=self._clock())

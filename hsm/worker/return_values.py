"""What a PKCS#11 return value means for the token, the session and the request.

Tokens that were lost do not say so in so many words: handles become invalid, keys vanish, calls fail in general, and
sessions stay valid for ever. Everything of that kind means *reload everything*, once.
"""

from __future__ import annotations

import re

from pkcs11 import exceptions as p11

from hsm.errors import (
    AlgorithmUnsupported,
    PinLocked,
    PinRejected,
    TokenBusy,
    TokenError,
    TokenFull,
    TokenReadOnly,
    TokenStoreFailed,
    TokenUnavailable,
)

BUSY_RETRY = 1.0
UNAVAILABLE_RETRY = 1.0

# The request is at fault, or the token cannot do it: trying again gives the same.
REQUEST = (
    p11.ArgumentsBad,
    p11.AttributeReadOnly,
    p11.AttributeTypeInvalid,
    p11.AttributeValueInvalid,
    p11.DataInvalid,
    p11.DataLenRange,
    p11.DomainParamsInvalid,
    p11.FunctionNotSupported,
    p11.FunctionRejected,
    p11.KeySizeRange,
    p11.KeyTypeInconsistent,
    p11.MechanismInvalid,
    p11.MechanismParamInvalid,
    p11.PublicKeyInvalid,
    p11.TemplateIncomplete,
    p11.TemplateInconsistent,
)
PIN_REFUSED = (p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange, p11.PinExpired, p11.PinTooWeak)
UNSAID = (p11.GeneralError, p11.FunctionFailed)
READ_ONLY = (p11.TokenWriteProtected, p11.SessionReadOnly)
_REFUSALS: tuple[tuple[type[p11.PKCS11Error] | tuple[type[p11.PKCS11Error], ...], type[TokenError]], ...] = (
    (PIN_REFUSED, PinRejected),
    (p11.PinLocked, PinLocked),
    (p11.DeviceMemory, TokenFull),
    (READ_ONLY, TokenReadOnly),
)
# CKR_KEY_FUNCTION_NOT_PERMITTED, which the library has no class for.
_REQUEST_CODES = {0x68}
_CODE = re.compile(r"0x[0-9a-f]+$")


def needs_reload(fault: p11.PKCS11Error) -> bool:
    """Whether the token may be lost: everything that is not known to concern the request alone."""
    harmless = (*REQUEST, *READ_ONLY, *PIN_REFUSED, p11.PinLocked, p11.SessionCount, p11.DeviceMemory)
    return not isinstance(fault, harmless) and _code(fault) not in _REQUEST_CODES


def refusal(fault: p11.PKCS11Error) -> TokenError:
    """The error of this package for ``fault``."""
    reason = name(fault)
    for kinds, error in _REFUSALS:
        if isinstance(fault, kinds):
            return error(reason=reason)
    if isinstance(fault, p11.SessionCount):
        return TokenBusy(reason=reason, retry_after=BUSY_RETRY)
    if needs_reload(fault):
        return TokenUnavailable(reason=reason, retry_after=UNAVAILABLE_RETRY)
    return AlgorithmUnsupported(reason=reason)


def storing_refusal(fault: p11.PKCS11Error) -> TokenError:
    """As ``refusal``, for making and removing objects in a token that was looked into just before.

    A general failure is then the store's: software tokens say no more of a disk that is full or read-only.
    """
    return TokenStoreFailed(reason=name(fault)) if isinstance(fault, UNSAID) else refusal(fault)


def name(fault: BaseException) -> str:
    """The kind of a fault: its class, and its number where the class has none of its own."""
    code = _code(fault)
    return type(fault).__name__ if code is None else f"CKR {code:#x}"


def _code(fault: BaseException) -> int | None:
    # The library's class for everything unknown carries the number as the end of its text.
    if type(fault) is not p11.PKCS11Error:
        return None
    found = _CODE.search(str(fault))
    return int(found.group(), 16) if found else None

"""Errors as messages: code and facts, never a traceback."""

from __future__ import annotations

from dataclasses import fields

from hsm import errors
from hsm.errors import TokenError
from hsm.protocol.values import WireError, pack_values, unpack_values

MAX_TEXT = 512  # characters of a fact
type_of_fact = {"count": int, "timeout": float, "retry_after": float}


def pack_error(error: TokenError) -> bytes:
    """An error's code and facts."""
    facts = [(item.name, getattr(error, item.name)) for item in fields(error)]
    return pack_values(error.code, *((name, str(value)[:MAX_TEXT]) for name, value in facts if value))


def unpack_error(body: bytes) -> TokenError:
    """The error that ``pack_error`` packed; a code or fact that is unknown raises ``WireError``."""
    code, *facts = unpack_values(body) or (None,)
    kind = _BY_CODE.get(code) if isinstance(code, str) else None
    if kind is None:
        raise WireError("unknown error code")
    known = {item.name for item in fields(kind)}
    arguments = {}
    for fact in facts:
        if not isinstance(fact, tuple) or len(fact) != 2 or fact[0] not in known:  # noqa: PLR2004  (name, value)
            raise WireError("unknown fact")
        name, value = str(fact[0]), str(fact[1])
        try:
            arguments[name] = type_of_fact.get(name, str)(value)
        except ValueError:
            raise WireError("malformed fact") from None
    return kind(**arguments)


def _tree(kind: type[TokenError]) -> list[type[TokenError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _tree(child))]


_BY_CODE = {kind.code: kind for kind in _tree(errors.TokenError)}

"""Errors as sentences for people, with the exit code that says the same."""

from __future__ import annotations

from dataclasses import dataclass

from signer.cli.exit_codes import REFUSED, UNREACHABLE, WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Worded:
    """What is told of an error."""

    sentence: str
    hint: str | None
    code: int


def worded(error: Exception) -> Worded | None:
    """None of an error that is not foreseen."""
    from hsm.errors import TokenError
    from signer.answers import ClientError, ServiceRefusal
    from signer.errors import SignerError
    from verifier.errors import VerificationError

    if isinstance(error, TokenError):
        from signer.cli.token_wording import told

        sentence, hint = told(error)
        return Worded(sentence=sentence, hint=hint, code=REFUSED)
    if isinstance(error, SignerError | VerificationError):
        from signer.web.problems import problem_of

        problem = problem_of(error)
        return Worded(sentence=problem.detail, hint=problem.hint, code=_code_of(problem.code))
    if isinstance(error, ClientError):
        code = _code_of(error.code) if isinstance(error, ServiceRefusal) else UNREACHABLE
        return Worded(sentence=error.sentence, hint=error.hint, code=code)
    if isinstance(error, OSError):
        reason = (error.strerror or type(error).__name__).lower()
        return Worded(sentence=f"{error.filename or 'the system'}: {reason}", hint=None, code=REFUSED)
    return None


def _code_of(code: str) -> int:
    """The exit code for an error's code."""
    from signer.errors import ApprovalRequired

    return WAITING if code == ApprovalRequired.code else REFUSED

"""How a command on this machine tells what a token failed with: by its reason.

The service says to clients that it opens the token again, which is true of a service and of nobody else. Who runs
``init`` or ``tokens`` has the module's own answer at hand, and needs it.
"""

from __future__ import annotations

from hsm.errors import ConfigurationError, TokenError, TokenUnavailable
from signer.web.problems import problem_of


def told(error: TokenError) -> tuple[str, str | None]:
    """A sentence with the reason, and a hint where there is one."""
    match error:
        case TokenUnavailable():
            sentence, hint = "the token cannot be used", None
        case ConfigurationError(setting=setting):
            sentence, hint = f"the setting {setting} of the token cannot be used", None
        case _:
            problem = problem_of(error)
            sentence, hint = problem.detail, problem.hint
    return (f"{sentence}: {error.reason}" if error.reason else sentence), hint

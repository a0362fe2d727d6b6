"""What a CI job knows of itself: the token that its system made for it, from a variable or on request.

1. ``ARTIFACT_SIGNER_CI_TOKEN`` is a token (GitLab writes it, under this name in ``id_tokens``).
2. Otherwise GitHub Actions is asked for one, where a job may ask: with the audience that the service expects.
3. Neither token, nor the one that asks, is in any message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx

from signer.answers import ClientError, json_object

TOKEN_VARIABLE = "ARTIFACT_SIGNER_CI_TOKEN"  # noqa: S105  (a variable's name, no secret)
AUDIENCE_VARIABLE = "ARTIFACT_SIGNER_CI_AUDIENCE"
REQUEST_URL_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_URL"
REQUEST_TOKEN_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105  (the same)
TIMEOUT_SECONDS = 15.0
PAUSES = (0.0, 1.0, 3.0)
MAX_ANSWER_BYTES = 64 * 1024
OK = 200
PERMISSION_HINT = "the job needs permissions: id-token: write"


def is_ci_job(environment: Mapping[str, str]) -> bool:
    """Whether a token can be had here."""
    return bool(environment.get(TOKEN_VARIABLE) or environment.get(REQUEST_URL_VARIABLE))


def job_token(environment: Mapping[str, str], *, url: str, wait: Callable[[float], None] = time.sleep) -> str:
    """The token of this job, for the service at ``url``; raises ``ClientError``."""
    given = environment.get(TOKEN_VARIABLE)
    if given:
        return given.strip()
    audience = environment.get(AUDIENCE_VARIABLE) or url
    secret = environment.get(REQUEST_TOKEN_VARIABLE)
    if not secret:
        raise ClientError(sentence=f"{REQUEST_TOKEN_VARIABLE} is not set", hint=PERMISSION_HINT)
    return _requested(environment[REQUEST_URL_VARIABLE], secret, audience, wait)


def _requested(url: str, secret: str, audience: str, wait: Callable[[float], None]) -> str:
    reason = ""
    for pause in PAUSES:
        wait(pause)
        try:
            answered = _asked(url, secret, audience)
        except httpx.InvalidURL:
            raise ClientError(sentence=f"{REQUEST_URL_VARIABLE} is not a URL") from None
        except httpx.HTTPError as error:
            reason = type(error).__name__
            continue
        if answered.status_code == OK:
            token = json_object(answered.content)["value"]
            if isinstance(token, str) and token:
                return token
            reason = "it answered without a token"
        else:
            reason = f"HTTP status {answered.status_code}"
    raise ClientError(sentence=f"GitHub Actions gives no token: {reason}", hint=PERMISSION_HINT)


def _asked(url: str, secret: str, audience: str) -> httpx.Response:
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {secret}"}) as client:
        address = httpx.URL(url)
        if address.scheme != "https" and address.host not in ("localhost", "127.0.0.1"):
            raise ClientError(sentence=f"{REQUEST_URL_VARIABLE} would send the job's token request in plain text")
        asked = address.copy_merge_params({"audience": audience})
        with client.stream("GET", asked) as response:
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise ClientError(sentence="GitHub Actions gives no token: its answer is too large")
            return httpx.Response(response.status_code, content=bytes(content))

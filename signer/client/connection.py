"""What both clients have in common on their way to the service: whom they believe, what they send, how it fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from signer import __version__
from signer.addresses import is_loopback
from signer.answers import SUCCESSES, ClientError, ConnectionFailed, media_type, not_the_service, refusal
from signer.client.settings import ClientSettings
from signer.client_credentials import REFUSED_HINT

MAX_SHOWN = 80
TIMEOUT_HINT = "ARTIFACT_SIGNER_TIMEOUT sets how long to wait"
# Of httpx: what is wrong with what was asked, and so will be again.
_FOR_GOOD = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.DecodingError, httpx.TooManyRedirects)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a service is reached, of checked settings.

    ``trust_env``: whether proxies of the environment are taken. ``failed_hint``: for who shows a certificate.
    """

    url: httpx.URL
    headers: Mapping[str, str]
    context: ssl.SSLContext
    timeout: float
    trust_env: bool
    failed_hint: str | None

    @classmethod
    def of(cls, settings: ClientSettings) -> Connection:
        """Raises ``ClientError`` where a credential would be sent in plain text, or a file cannot be read."""
        context = _trust(settings.ca_file)
        if settings.certificate is not None:
            settings.certificate.load(context)
        with translated():
            url = httpx.URL(settings.url)
        plain = url.scheme == "http"
        if plain and settings.certificate is not None:
            raise ClientError(
                sentence="a client certificate is shown over https only, and ARTIFACT_SIGNER_URL begins with http"
            )
        if plain and not is_loopback(url.host):
            raise ClientError(
                sentence=f"ARTIFACT_SIGNER_URL would send the API token to {url.host} in plain text",
                hint="use https://; http:// is for this machine only",
            )
        return cls(
            url=url,
            headers=_headers(settings),
            context=context,
            timeout=settings.timeout,
            # A proxy of the environment would get the API token in plain text.
            trust_env=not plain,
            failed_hint=None if settings.certificate is None else REFUSED_HINT,
        )


def _headers(settings: ClientSettings) -> dict[str, str]:
    about = {"User-Agent": f"artifact-signer/{__version__}"}
    return about if settings.api_token is None else {"Authorization": f"Bearer {settings.api_token}", **about}


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(sentence=f"the CA file {ca_file} cannot be read: {error.strerror or 'not PEM'}") from error


def is_success(response: httpx.Response) -> bool:
    """Whether the status is one of success; whose success it is, is said by ``require_media_type``."""
    return response.status_code in SUCCESSES


def refused(response: httpx.Response, content: bytes) -> ClientError:
    """The error that an answer means which is no success. ``content``: its body."""
    headers = response.headers
    return refusal(response.status_code, headers.get("Content-Type", ""), content, headers.get("Retry-After", ""))


def require_media_type(response: httpx.Response, expected: str) -> None:
    """A success is the service's only with the media type that was asked for; raises ``ClientError``."""
    kind = media_type(response.headers.get("Content-Type", ""))
    if kind != expected:
        raise not_the_service(kind[:MAX_SHOWN] or "something without a media type")


@contextmanager
def translated(failed_hint: str | None = None) -> Iterator[None]:
    """Errors of the library as ``ClientError``; ``ConnectionFailed`` where it may go better another time."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise ConnectionFailed(sentence="the service did not answer in time", hint=TIMEOUT_HINT) from error
    except httpx.ConnectError as error:
        kind = ClientError if _distrusted(error) else ConnectionFailed
        raise kind(
            sentence=f"no connection to the service: {error}",
            hint="is it running, and are ARTIFACT_SIGNER_URL and ARTIFACT_SIGNER_CA_FILE right?",
        ) from error
    except httpx.HTTPError as error:
        kind = ClientError if isinstance(error, _FOR_GOOD) else ConnectionFailed
        raise kind(sentence=f"the connection to the service failed: {error}", hint=failed_hint) from error
    except httpx.InvalidURL as error:
        raise ClientError(sentence=f"ARTIFACT_SIGNER_URL is not a URL: {error}") from error


def _distrusted(error: BaseException) -> bool:
    """Whether the certificate of who answered is why: another try would meet the same."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False

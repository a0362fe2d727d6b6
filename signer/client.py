"""The HTTP client of the command line: one method per route that it uses, problem documents as errors."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from signer import __version__

VARIABLES = ("ARTIFACT_SIGNER_URL", "ARTIFACT_SIGNER_API_TOKEN", "ARTIFACT_SIGNER_API_TOKEN_FILE",
             "ARTIFACT_SIGNER_CA_FILE", "ARTIFACT_SIGNER_TIMEOUT")  # fmt: skip
UPLOAD_CHUNK_BYTES = 1 << 18
DEFAULT_TIMEOUT_SECONDS = 150.0
PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(eq=False, kw_only=True)
class ClientError(Exception):
    """The client could not ask: ``sentence`` says why, ``hint`` what to do."""

    sentence: str
    hint: str | None = None

    def __str__(self) -> str:
        return self.sentence


@dataclass(eq=False, kw_only=True)
class Refused(ClientError):
    """The service answered with a problem document. ``code`` is its stable code, ``status`` the HTTP status."""

    code: str
    status: int
    document: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Where the service is and how to prove who asks. The token is never in ``repr``."""

    url: str
    api_token: str
    ca_file: Path | None
    timeout: float = DEFAULT_TIMEOUT_SECONDS

    def __repr__(self) -> str:
        return f"ClientSettings(url={self.url!r}, ca_file={self.ca_file!r})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ClientSettings:
        """Read the ``ARTIFACT_SIGNER_…`` variables; raises ``ClientError`` with what to set."""
        url = environment.get("ARTIFACT_SIGNER_URL")
        if not url:
            raise ClientError(
                sentence="ARTIFACT_SIGNER_URL is not set", hint="source the client.env of the installation"
            )
        ca_file = environment.get("ARTIFACT_SIGNER_CA_FILE")
        try:
            timeout = float(environment.get("ARTIFACT_SIGNER_TIMEOUT", DEFAULT_TIMEOUT_SECONDS))
        except ValueError:
            raise ClientError(sentence="ARTIFACT_SIGNER_TIMEOUT is not a number of seconds") from None
        return cls(
            url=url.rstrip("/"),
            api_token=_api_token(environment),
            ca_file=Path(ca_file) if ca_file else None,
            timeout=timeout,
        )


def _api_token(environment: Mapping[str, str]) -> str:
    path = environment.get("ARTIFACT_SIGNER_API_TOKEN_FILE")
    token = environment.get("ARTIFACT_SIGNER_API_TOKEN", "")
    if not token and path:
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ClientError(sentence=f"the API token file {path} cannot be read: {reason}") from error
    if not token:
        raise ClientError(
            sentence="neither ARTIFACT_SIGNER_API_TOKEN nor ARTIFACT_SIGNER_API_TOKEN_FILE gives an API token",
            hint="source the client.env of the installation",
        )
    return token


class Client:
    """Talks to one service. Use as a context manager."""

    def __init__(self, settings: ClientSettings) -> None:
        self._http = httpx.Client(
            base_url=settings.url,
            headers={
                "Authorization": f"Bearer {settings.api_token}",
                "User-Agent": f"artifact-signer/{__version__}",
            },
            verify=_trust(settings.ca_file),
            timeout=settings.timeout,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.close()

    def read(self, path: str, **parameters: str | int) -> Any:
        """GET a JSON document."""
        return self._json("GET", path, params=parameters)

    def ask(self, path: str, document: Mapping[str, Any] | None = None) -> Any:
        """POST a JSON document, get one."""
        return self._json("POST", path, json=document or {})

    def put(self, path: str, content: bytes, media_type: str) -> Any:
        """PUT a document of another kind, get a JSON one."""
        return self._json("PUT", path, content=content, headers={"Content-Type": media_type})

    def text(self, path: str) -> str:
        """GET a text document."""
        with _translated():
            response = self._http.get(path)
        _raise_for_problem(response)
        return response.text

    def sign_artifact(self, key: str, artifact: BinaryIO, size: int | None, *, replace: bool) -> Iterator[bytes]:
        """POST a whole artifact; the signed one in chunks."""
        headers = {"Content-Type": "application/vnd.mender-artifact"}
        if size is not None:
            headers["Content-Length"] = str(size)
        with (
            _translated(),
            self._http.stream(
                "POST",
                key_path(key, "artifacts"),
                content=iter(lambda: artifact.read(UPLOAD_CHUNK_BYTES), b""),
                headers=headers,
                params={"replace": str(replace).lower()},
            ) as response,
        ):
            if response.is_error:
                response.read()
            _raise_for_problem(response)
            yield from response.iter_bytes()

    def sign_head(self, key: str, head: bytes, *, replace: bool) -> Any:
        """POST a manifest or the head of an artifact; the signature as a JSON document."""
        return self._json(
            "POST",
            key_path(key, "signatures"),
            content=head,
            headers={"Content-Type": "application/octet-stream"},
            params={"replace": str(replace).lower()},
        )

    def _json(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        with _translated():
            response = self._http.request(method, path, headers=headers, **options)
        _raise_for_problem(response)
        try:
            return response.json()
        except json.JSONDecodeError as error:
            raise ClientError(
                sentence=f"{self._http.base_url} does not answer as an artifact-signer service",
                hint="check ARTIFACT_SIGNER_URL",
            ) from error


def key_path(key: str, *parts: str | int) -> str:
    """The route of a key, whatever characters the name holds."""
    return "/".join(["/v1/keys", quote(key, safe=""), *(str(part) for part in parts)])


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(sentence=f"the CA file {ca_file} cannot be read: {error.strerror or 'not PEM'}") from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise ClientError(
            sentence="the service did not answer in time",
            hint="ARTIFACT_SIGNER_TIMEOUT sets how long to wait",
        ) from error
    except httpx.ConnectError as error:
        raise ClientError(
            sentence=f"no connection to the service: {error}",
            hint="is it running, and are ARTIFACT_SIGNER_URL and ARTIFACT_SIGNER_CA_FILE right?",
        ) from error
    except httpx.HTTPError as error:
        raise ClientError(sentence=f"the connection to the service failed: {error}") from error
    except httpx.InvalidURL as error:
        raise ClientError(sentence=f"ARTIFACT_SIGNER_URL is not a URL: {error}") from error


def _raise_for_problem(response: httpx.Response) -> None:
    if not response.is_error:
        return
    document: dict[str, Any] = {}
    if response.headers.get("Content-Type", "").startswith(PROBLEM_MEDIA_TYPE):
        document = response.json()
    raise Refused(
        sentence=document.get("detail", f"the service answered with HTTP status {response.status_code}"),
        hint=document.get("hint"),
        code=document.get("code", "unknown"),
        status=response.status_code,
        document=document,
    )

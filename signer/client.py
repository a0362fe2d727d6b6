"""The HTTP client of the command line: one method per route that it uses, problem documents as errors."""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from signer import __version__
from signer.addresses import is_loopback
from signer.answers import (
    ARTIFACT_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    PEM_MEDIA_TYPE,
    SUCCESSES,
    ClientError,
    Document,
    SignedBy,
    ascii_text,
    collected,
    hashes,
    json_list,
    json_object,
    media_type,
    not_the_service,
    refusal,
    signing_key,
)
from signer.client_credentials import CERTIFICATE_VARIABLE, KEY_VARIABLE, REFUSED_HINT, ClientCertificate

VARIABLES = ("ARTIFACT_SIGNER_URL", "ARTIFACT_SIGNER_API_TOKEN", "ARTIFACT_SIGNER_API_TOKEN_FILE",
             "ARTIFACT_SIGNER_CA_FILE", "ARTIFACT_SIGNER_TIMEOUT", "ARTIFACT_SIGNER_LOG_KEY_FILE",
             "ARTIFACT_SIGNER_CI_TOKEN", "ARTIFACT_SIGNER_CI_AUDIENCE",
             CERTIFICATE_VARIABLE, KEY_VARIABLE)  # fmt: skip
UPLOAD_CHUNK_BYTES = 1 << 18
DEFAULT_TIMEOUT_SECONDS = 150.0
MAX_TIMEOUT_SECONDS = 86400.0
MAX_SHOWN = 80
EMERGENCY_HEADER = "X-Signing-Emergency-Reason"
TIMEOUT_HINT = "ARTIFACT_SIGNER_TIMEOUT sets how long to wait"
# What a header field can carry (RFC 6750 section 2.1); a library would repeat anything else in its complaint.
TOKEN_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingArtifact:
    """A signed artifact on its way: ``chunks`` can be read once; ``key`` made the signature."""

    key: SignedBy
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a signature is asked for.

    Attributes:
        replace: the artifact's signature is dropped.
        emergency: the reason why its approvals shall be passed; None where they shall not.
    """

    replace: bool
    emergency: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Of the query."""
        return {"replace": str(self.replace).lower()}

    @property
    def headers(self) -> dict[str, bytes]:
        """What the service is told beside the body."""
        return {} if self.emergency is None else {EMERGENCY_HEADER: self.emergency.encode()}


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Where the service is and how to prove who asks. The token is never in ``repr``.

    ``api_token``: an API token or a session; None where nothing was given. ``certificate``: shown in the handshake.
    """

    url: str
    api_token: str | None
    ca_file: Path | None
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    certificate: ClientCertificate | None = None

    def __repr__(self) -> str:
        return f"ClientSettings(url={self.url!r}, ca_file={self.ca_file!r})"

    def without_token(self, timeout: float) -> ClientSettings:
        """The same service, asked as nobody."""
        return replace(self, api_token=None, certificate=None, timeout=timeout)

    def with_certificate(self, certificate: ClientCertificate) -> ClientSettings:
        """The same service, asked by who has this certificate and by nobody else."""
        return replace(self, api_token=None, certificate=certificate)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ClientSettings:
        """Read the ``ARTIFACT_SIGNER_…`` variables; raises ``ClientError`` with what to set."""
        url = environment.get("ARTIFACT_SIGNER_URL")
        if not url:
            raise ClientError(
                sentence="ARTIFACT_SIGNER_URL is not set", hint="source the client.env of the installation"
            )
        ca_file = environment.get("ARTIFACT_SIGNER_CA_FILE")
        return cls(
            url=url.rstrip("/"),
            api_token=_api_token(environment),
            ca_file=Path(ca_file) if ca_file else None,
            timeout=_timeout(environment.get("ARTIFACT_SIGNER_TIMEOUT")),
            certificate=ClientCertificate.from_environment(environment),
        )


def _timeout(text: str | None) -> float:
    try:
        timeout = DEFAULT_TIMEOUT_SECONDS if text is None else float(text)
    except ValueError:
        timeout = math.nan
    if not 0 < timeout <= MAX_TIMEOUT_SECONDS:
        raise ClientError(
            sentence=f"ARTIFACT_SIGNER_TIMEOUT is not a number of seconds over 0 to {MAX_TIMEOUT_SECONDS:g}"
        )
    return timeout


def _api_token(environment: Mapping[str, str]) -> str | None:
    path = environment.get("ARTIFACT_SIGNER_API_TOKEN_FILE")
    token = environment.get("ARTIFACT_SIGNER_API_TOKEN", "")
    if not token and path:
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ClientError(sentence=f"the API token file {path} cannot be read: {reason}") from error
    if not token:
        return None
    if not TOKEN_CHARACTERS.fullmatch(token):
        raise ClientError(sentence="the API token holds characters that no API token has")
    return token


class Client:
    """Talks to one service. Use as a context manager."""

    def __init__(self, settings: ClientSettings) -> None:
        context = _trust(settings.ca_file)
        if settings.certificate is not None:
            settings.certificate.load(context)
        self._timeout = settings.timeout
        self._failed_hint = None if settings.certificate is None else REFUSED_HINT
        with _translated():
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
            self._http = httpx.Client(
                base_url=url,
                # A proxy of the environment would get the API token in plain text.
                trust_env=not plain,
                headers=_headers(settings),
                verify=context,
                timeout=settings.timeout,
            )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.close()

    def read(self, path: str, **parameters: str | int) -> Document:
        """GET a JSON document."""
        return self._json("GET", path, params=parameters)

    def ask(self, path: str, document: Mapping[str, Any] | None = None) -> Document:
        """POST a JSON document, get one."""
        return self._json("POST", path, json=document or {})

    def listed(self, path: str, **parameters: str | int | list[str]) -> list[Document]:
        """GET a JSON list of documents."""
        headers = {"Accept": JSON_MEDIA_TYPE}
        with self._answer("GET", path, JSON_MEDIA_TYPE, headers=headers, params=parameters) as response:
            return json_list(collected(response.iter_bytes()))

    def change(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> None:
        """Have something done whose success says nothing."""
        given = {} if document is None else {"json": document}
        with self._answer(method, path, "", **given):
            pass

    def put(self, path: str, content: bytes, content_type: str) -> Document:
        """PUT a document of another kind, get a JSON one."""
        return self._json("PUT", path, content=content, headers={"Content-Type": content_type})

    def text(self, path: str) -> str:
        """GET a PEM document."""
        with self._answer("GET", path, PEM_MEDIA_TYPE) as response:
            return ascii_text(collected(response.iter_bytes()))

    def public_key(self, key: str, version: int) -> bytes:
        """GET the public key of a version, PEM."""
        return self.text(key_path(key, "versions", version, "public-key")).encode("ascii")

    def record(self, key: str, version: int, manifest_sha256: str, *, witnessed: bool = False) -> Document:
        """GET the proof that a signature of this manifest is on record; ``witnessed``: where witnesses signed too."""
        which: dict[str, str] = {"witnessed": "true"} if witnessed else {}
        return self.read("/v1/log/proof", manifest_sha256=manifest_sha256, key=key, version=version, **which)

    def consistency(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """GET the path that shall prove that the log of ``size`` leaves begins with that of ``old_size``."""
        return hashes(self.read("/v1/log/proof", **{"from": old_size, "to": size}))

    def download(self, path: str, media_type: str, *, limit: int) -> bytes:
        """GET a body of at most ``limit`` bytes, all of it within the time of one answer."""
        latest = time.monotonic() + self._timeout
        content = bytearray()
        # Not coded: a coding can hold a thousand times the bytes that were counted.
        with self._answer("GET", path, media_type, headers={"Accept-Encoding": "identity"}) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > limit:
                    raise not_the_service(f"more than {limit} bytes at {path}")
                if time.monotonic() > latest:
                    raise ClientError(sentence=f"{path} did not end in time", hint=TIMEOUT_HINT)
        return bytes(content)

    @contextmanager
    def sign_artifact(self, key: str, artifact: BinaryIO, size: int | None, asked: Asked) -> Iterator[IncomingArtifact]:
        """POST a whole artifact; the signed one, to be read inside the context."""
        headers = {"Content-Type": ARTIFACT_MEDIA_TYPE, **asked.headers}
        if size is not None:
            headers["Content-Length"] = str(size)
        with self._answer(
            "POST",
            key_path(key, "artifacts"),
            ARTIFACT_MEDIA_TYPE,
            content=iter(lambda: artifact.read(UPLOAD_CHUNK_BYTES), b""),
            headers=headers,
            params=asked.parameters,
        ) as response:
            yield IncomingArtifact(key=signing_key(response.headers), chunks=response.iter_bytes())

    def sign_head(self, key: str, head: bytes, asked: Asked) -> Document:
        """POST a manifest or the head of an artifact; the signature as a JSON document."""
        return self._json(
            "POST",
            key_path(key, "signatures"),
            content=head,
            headers={"Content-Type": "application/octet-stream", **asked.headers},
            params=asked.parameters,
        )

    def _json(self, method: str, path: str, **options: Any) -> Document:
        headers = {"Accept": JSON_MEDIA_TYPE, **options.pop("headers", {})}
        with self._answer(method, path, JSON_MEDIA_TYPE, headers=headers, **options) as response:
            return json_object(collected(response.iter_bytes()))

    @contextmanager
    def _answer(self, method: str, path: str, expected: str, **options: Any) -> Iterator[httpx.Response]:
        """A success of this media type, its body unread; everything else is raised."""
        with _translated(self._failed_hint), self._http.stream(method, path, **options) as response:
            content_type = response.headers.get("Content-Type", "")
            kind = media_type(content_type)
            if response.status_code not in SUCCESSES:
                retry_after = response.headers.get("Retry-After", "")
                raise refusal(response.status_code, content_type, collected(response.iter_bytes()), retry_after)
            if kind != expected:
                raise not_the_service(kind[:MAX_SHOWN] or "something without a media type")
            yield response


def _headers(settings: ClientSettings) -> dict[str, str]:
    about = {"User-Agent": f"artifact-signer/{__version__}"}
    return about if settings.api_token is None else {"Authorization": f"Bearer {settings.api_token}", **about}


def key_path(key: str, *parts: str | int) -> str:
    """The route of a key, whatever characters the name holds."""
    return "/".join(["/v1/keys", quote(key, safe=""), *(str(part) for part in parts)])


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ClientError(sentence=f"the CA file {ca_file} cannot be read: {error.strerror or 'not PEM'}") from error


@contextmanager
def _translated(failed_hint: str | None = None) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise ClientError(
            sentence="the service did not answer in time",
            hint=TIMEOUT_HINT,
        ) from error
    except httpx.ConnectError as error:
        raise ClientError(
            sentence=f"no connection to the service: {error}",
            hint="is it running, and are ARTIFACT_SIGNER_URL and ARTIFACT_SIGNER_CA_FILE right?",
        ) from error
    except httpx.HTTPError as error:
        raise ClientError(sentence=f"the connection to the service failed: {error}", hint=failed_hint) from error
    except httpx.InvalidURL as error:
        raise ClientError(sentence=f"ARTIFACT_SIGNER_URL is not a URL: {error}") from error

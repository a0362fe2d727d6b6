"""The sync connection, and verbs by which the command line asks routes that have no method of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import httpx

from signer.answers import (
    JSON_MEDIA_TYPE,
    PEM_MEDIA_TYPE,
    ClientError,
    Document,
    ascii_text,
    collected,
    json_list,
    json_object,
    not_the_service,
)
from signer.client.calls import Call
from signer.client.connection import (
    TIMEOUT_HINT,
    Connection,
    is_success,
    refused,
    require_media_type,
    translated,
)
from signer.client.retries import Attempts, Told, untold
from signer.client.settings import ClientSettings

Result = TypeVar("Result")


class Verbs:
    """Talks to one service. Use as a context manager. The verbs ask once: what they ask for may change something.

    ``told``: hears of each failure after which a call is made again; ``wait``: passes the time until then.
    """

    def __init__(
        self, settings: ClientSettings, *, told: Told = untold, wait: Callable[[float], None] = time.sleep
    ) -> None:
        connection = Connection.of(settings)
        self._timeout = settings.timeout
        self._retry_seconds = settings.retry_seconds
        self._told = told
        self._wait = wait
        self._failed_hint = connection.failed_hint
        with translated():
            self._http = httpx.Client(
                base_url=connection.url,
                trust_env=connection.trust_env,
                headers=connection.headers,
                verify=connection.context,
                timeout=connection.timeout,
            )

    @property
    def retry_seconds(self) -> float:
        """For how long calls are made again."""
        return self._retry_seconds

    def __enter__(self) -> Self:
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

    def _json(self, method: str, path: str, **options: Any) -> Document:
        headers = {"Accept": JSON_MEDIA_TYPE, **options.pop("headers", {})}
        with self._answer(method, path, JSON_MEDIA_TYPE, headers=headers, **options) as response:
            return json_object(collected(response.iter_bytes()))

    def _made(self, call: Call[Result]) -> Result:
        """Its value, after as many tries as it takes."""
        attempts = self._attempts()
        while True:
            try:
                with self._sent(call, call.content) as response:
                    return call.read(collected(response.iter_bytes()))
            except ClientError as error:
                self._wait(attempts.pause_after(error))

    def _attempts(self) -> Attempts:
        return Attempts(seconds=self._retry_seconds, told=self._told)

    @contextmanager
    def _sent(self, call: Call[Any], content: Any) -> Iterator[httpx.Response]:
        given = {"params": call.parameters, "headers": call.headers, "content": content}
        with self._answer(call.method, call.path, call.expected, **given) as response:
            yield response

    @contextmanager
    def _answer(self, method: str, path: str, expected: str, **options: Any) -> Iterator[httpx.Response]:
        """A success of this media type, its body unread; everything else is raised."""
        with translated(self._failed_hint), self._http.stream(method, path, **options) as response:
            if not is_success(response):
                raise refused(response, collected(response.iter_bytes()))
            require_media_type(response, expected)
            yield response

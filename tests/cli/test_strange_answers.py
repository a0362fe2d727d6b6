"""What the client makes of answers that no service gave: one sentence, an exit code, no file and no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.answers import HINT, MAX_DOCUMENT_BYTES, ClientError, collected, media_type
from signer.cli.exit_codes import REFUSED, UNREACHABLE
from signer.cli.main import run
from tests.artifacts import ArtifactBuilder
from tests.support.canned import answering
from tests.support.rows import slow_but

API_TOKEN = "ast_0123456789abcdef_" + "s" * 43
PROBLEM = "application/problem+json"
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
REFUSAL = {"code": "key-not-found", "detail": "there is no key named firmware", "status": 404}
ARTIFACT_TYPE = "application/vnd.mender-artifact"
COMMANDS = {
    "a document": ("keys", "list"),
    "a text": ("keys", "public-key", "firmware", "--version", "1"),
    "an artifact": ("sign", "release.mender", "--key", "firmware", "-o", "signed.mender", "--whole"),
    "a signature": ("sign", "release.mender", "--key", "firmware", "-o", "signed.mender"),
    "an upload": ("keys", "import-certificate", "firmware", "--version", "1", "release.mender"),
}


def http(status: int, body: bytes = b"", kind: str | None = None, *more: str) -> bytes:
    """An answer in HTTP/1.1."""
    fields = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close", *more]
    if kind is not None:
        fields.append(f"Content-Type: {kind}")
    return "\r\n".join([*fields, "", ""]).encode("latin-1") + body


def problem(document: object, status: int = 404) -> bytes:
    """A problem document, sound or not."""
    return http(status, json.dumps(document).encode(), PROBLEM)


NO_REFUSALS = {
    "a problem that ends in the middle": http(404, json.dumps(REFUSAL).encode()[:-9], PROBLEM),
    "a problem that is a page": http(502, HTML, PROBLEM),
    "a problem that is empty": http(503, b"", PROBLEM),
    "a problem that is a list": problem([REFUSAL]),
    "a problem that is a text": problem("key-not-found"),
    "a problem that is a number": problem(404),
    "a problem that is null": problem(None),
    "a problem that is empty JSON": problem({}),
    "a problem without a code": problem({"detail": "no"}),
    "a problem without a detail": problem({"code": "no"}),
    "a problem whose detail is a number": problem({**REFUSAL, "detail": 5}),
    "a problem whose detail is a list": problem({**REFUSAL, "detail": ["no"]}),
    "a problem whose detail is null": problem({**REFUSAL, "detail": None}),
    "a problem whose code is an object": problem({**REFUSAL, "code": {}}),
    "a problem whose hint is a list": problem({**REFUSAL, "hint": ["a", "b"]}),
    "a problem whose hint is a number": problem({**REFUSAL, "hint": 0}),
    "a problem that is not UTF-8": http(404, b'{"code": "\xff", "detail": "\xff"}', PROBLEM),
    "a problem that is very deep": http(404, b"[" * 200_000, PROBLEM),
    "a problem with a very long number": http(404, b'{"code": ' + b"9" * 10_000 + b"}", PROBLEM),
    "a problem of another media type": http(404, json.dumps(REFUSAL).encode(), "text/plain"),
    "a page of a proxy": http(502, HTML, "text/html"),
    "an empty 502": http(502),
    "an empty 401": http(401),
    "a text of a balancer": http(504, b"upstream timed out", "text/plain"),
    "a refusal without a length": b"HTTP/1.0 500 Oops\r\n\r\noops",
}
REDIRECTS = {
    "a redirect": http(302, b"", None, "Location: {elsewhere}/v1/keys"),
    "a redirect for good": http(301, HTML, "text/html", "Location: {elsewhere}/v1/keys"),
    "a redirect that keeps the method": http(308, b"", None, "Location: {elsewhere}/"),
    "a redirect to nowhere": http(307),
    "not modified": http(304),
}
NO_SUCCESSES = {
    "a page": http(200, HTML, "text/html; charset=utf-8"),
    "a page without a media type": http(200, HTML),
    "no content": http(204),
    "nothing": http(200),
    "another kind of text": http(200, b"ok", "text/plain"),
    "a success that is a problem": problem(REFUSAL, 200),
}
CONNECTIONS = {
    "nothing at all": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half a status line": b"HTTP/1.1 2",
    "a head that does not end": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind, and what it asked."""

    code: int
    out: str
    err: str
    heads: tuple[str, ...]
    files: tuple[str, ...]


Session = Callable[..., Done]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Session:
    """Runs a command against a server that answers with these bytes."""
    (tmp_path / "release.mender").write_bytes(ArtifactBuilder().build())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("ARTIFACT_SIGNER_TIMEOUT", "20")
    monkeypatch.setenv("ARTIFACT_SIGNER_RETRY_SECONDS", "0")
    monkeypatch.delenv("ARTIFACT_SIGNER_CA_FILE", raising=False)

    def ask(answer: bytes, *arguments: str) -> Done:
        with answering(answer) as server:
            monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
            code = run(list(arguments))
        out, err = capsys.readouterr()
        files = sorted(path.name for path in tmp_path.iterdir())
        return Done(code=code, out=out, err=err, heads=tuple(server.heads), files=tuple(files))

    return ask


def is_told(done: Done, says: str, code: int = UNREACHABLE) -> None:
    """One sentence on standard error, nothing else anywhere."""
    assert done.code == code, done.err
    assert done.out == ""
    assert done.err.startswith("artifact-signer: ")
    assert says in done.err.splitlines()[0]
    assert "a way it does not know" not in done.err
    assert "Traceback" not in done.err
    assert API_TOKEN not in done.err
    assert done.err.isascii()
    assert done.files == ("release.mender",)


@pytest.mark.parametrize("command", slow_but({"a document", "a signature"}, COMMANDS))
@pytest.mark.parametrize(
    "sentence",
    slow_but(
        {
            "a problem that ends in the middle",
            "a problem that is a list",
            "a problem without a code",
            "a problem whose detail is a number",
            "a problem that is very deep",
            "a page of a proxy",
            "an empty 502",
            "a refusal without a length",
        },
        NO_REFUSALS,
    ),
)
def test_a_refusal_that_is_not_the_services_is_told_by_its_status(
    session: Session, sentence: str, command: str
) -> None:
    answer = NO_REFUSALS[sentence]
    done = session(answer, *COMMANDS[command])
    is_told(done, f"HTTP status {answer.split()[1].decode()} came without a problem document")
    assert f"hint: {HINT}" in done.err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("sentence", REDIRECTS)
def test_a_redirect_is_not_followed(session: Session, sentence: str, command: str) -> None:
    with answering(http(200, b"{}", "application/json")) as elsewhere:
        answer = REDIRECTS[sentence].replace(b"{elsewhere}", elsewhere.url.encode())
        done = session(answer, *COMMANDS[command])
        is_told(done, f"HTTP status {answer.split()[1].decode()} redirects to elsewhere")
        assert len(done.heads) == 1
        assert elsewhere.heads == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("sentence", NO_SUCCESSES)
def test_a_success_of_another_kind_is_none(session: Session, sentence: str, command: str) -> None:
    is_told(session(NO_SUCCESSES[sentence], *COMMANDS[command]), "what answers is not an artifact-signer service")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("sentence", CONNECTIONS)
def test_what_is_not_http_is_a_failed_connection(session: Session, sentence: str, command: str) -> None:
    is_told(session(CONNECTIONS[sentence], *COMMANDS[command]), "the connection to the service failed")


JSON, PEM = "application/json", "application/x-pem-file"
KEY_HEADERS = ("X-Signing-Key-Version: 1", "X-Signing-Key-Fingerprint: " + "0" * 64)
BROKEN: Mapping[str, tuple[str, bytes, str]] = {
    "JSON that ends in the middle": ("a document", http(200, b'{"keys": [', JSON), "JSON that is not an object"),
    "JSON that is a list": ("a document", http(200, b"[]", JSON), "JSON that is not an object"),
    "JSON that is very deep": ("a document", http(200, b'{"a":' * 100_000, JSON), "JSON that is not an object"),
    "JSON that is not UTF-8": ("a document", http(200, b'{"keys": "\xff"}', JSON), "JSON that is not an object"),
    "JSON of another service": ("a document", http(200, b'{"status": "ok"}', JSON), "JSON without 'keys'"),
    "JSON with keys of another kind": ("a document", http(200, b'{"keys": [{}]}', JSON), "JSON without '"),
    "JSON that is compressed badly": (
        "a document", http(200, b"{}", JSON, "Content-Encoding: gzip"), "the connection to the service failed"
    ),
    "less than was announced": (
        "a document", http(200, b'{"keys": []}', JSON).replace(b"Length: 12", b"Length: 99"), "the connection to"
    ),
    "PEM that is not ASCII": ("a text", http(200, "kéy".encode(), PEM), "text that is not ASCII"),
    "an artifact without the key's headers": ("an artifact", http(200, b"x", ARTIFACT_TYPE), "X-Signing-Key headers"),
    "an artifact with a version that is none": (
        "an artifact", http(200, b"x", ARTIFACT_TYPE, "X-Signing-Key-Version: one", KEY_HEADERS[1]), "X-Signing-Key"
    ),
    "an artifact with version 0": (
        "an artifact", http(200, b"x", ARTIFACT_TYPE, "X-Signing-Key-Version: 0", KEY_HEADERS[1]), "X-Signing-Key"
    ),
    "an artifact with half a fingerprint": (
        "an artifact", http(200, b"x", ARTIFACT_TYPE, KEY_HEADERS[0], "X-Signing-Key-Fingerprint: 00"), "X-Signing-Key"
    ),
    "an artifact that ends too early": (
        "an artifact", http(200, b"x", ARTIFACT_TYPE, *KEY_HEADERS).replace(b"Length: 1", b"Length: 9"),
        "the connection to the service failed",
    ),
    "a signature that is missing": ("a signature", http(200, b"{}", JSON), "JSON without 'signature'"),
    "a signature that is a number": ("a signature", http(200, b'{"signature": 1}', JSON), "not base64"),
    "a signature that is empty": ("a signature", http(200, b'{"signature": ""}', JSON), "not base64"),
    "a signature that is two lines": (
        "a signature", http(200, json.dumps({"signature": "A" * 64 + "\n" + "A" * 64}).encode(), JSON), "not base64"
    ),
    "a signature that is not ASCII": (
        "a signature", http(200, json.dumps({"signature": "é" * 88}).encode(), JSON), "not base64"
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_success_that_is_broken_is_none(session: Session, sentence: str) -> None:
    command, answer, says = BROKEN[sentence]
    is_told(session(answer, *COMMANDS[command]), says)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_sound_problem_is_told_in_its_own_words(session: Session, command: str) -> None:
    done = session(problem({**REFUSAL, "hint": "look again", "unknown": [1]}), *COMMANDS[command])
    is_told(done, "there is no key named firmware", REFUSED)
    assert "hint: look again" in done.err


def test_what_a_problem_says_does_not_steer_the_terminal(session: Session) -> None:
    done = session(problem({**REFUSAL, "detail": "\x1b[2Jno\nhint: run rm", "hint": "\x07"}), "keys", "list")
    assert done.err == "artifact-signer: \\x1b[2Jno\\nhint: run rm\nhint: \\x07\n"


VARIABLES = {
    "a token with a line break": ({"ARTIFACT_SIGNER_API_TOKEN": API_TOKEN + "\r\nX: y"}, "the API token holds"),
    "a token with a space": ({"ARTIFACT_SIGNER_API_TOKEN": "Bearer " + API_TOKEN}, "the API token holds"),
    "a token that is not ASCII": ({"ARTIFACT_SIGNER_API_TOKEN": API_TOKEN + "é"}, "the API token holds"),
    "a timeout of nothing": ({"ARTIFACT_SIGNER_TIMEOUT": "0"}, "not a number of seconds"),
    "a timeout that is negative": ({"ARTIFACT_SIGNER_TIMEOUT": "-1"}, "not a number of seconds"),
    "a timeout that is no number": ({"ARTIFACT_SIGNER_TIMEOUT": "nan"}, "not a number of seconds"),
    "a time of asking again that is negative": ({"ARTIFACT_SIGNER_RETRY_SECONDS": "-1"}, "not a number of seconds"),
    "a time of asking again without end": ({"ARTIFACT_SIGNER_RETRY_SECONDS": "inf"}, "not a number of seconds"),
    "a time of asking again that is no number": ({"ARTIFACT_SIGNER_RETRY_SECONDS": "x"}, "not a number of seconds"),
    "a timeout without end": ({"ARTIFACT_SIGNER_TIMEOUT": "inf"}, "not a number of seconds"),
    "a URL with a port that is none": ({"ARTIFACT_SIGNER_URL": "https://localhost:https"}, "is not a URL"),
    "a URL with half an address": ({"ARTIFACT_SIGNER_URL": "https://[::1"}, "is not a URL"),
    "a URL without a scheme": ({"ARTIFACT_SIGNER_URL": "localhost:8443"}, "the connection to the service failed"),
    "a URL of another scheme": ({"ARTIFACT_SIGNER_URL": "ftp://localhost"}, "the connection to the service failed"),
}


@pytest.mark.parametrize("sentence", VARIABLES)
def test_a_variable_that_cannot_be_used_is_told_without_the_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    variables, says = VARIABLES[sentence]
    usual = {"ARTIFACT_SIGNER_URL": "http://127.0.0.1:1", "ARTIFACT_SIGNER_API_TOKEN": API_TOKEN}
    for name, value in {**usual, **variables}.items():
        monkeypatch.setenv(name, value)
    assert run(["keys", "list"]) == UNREACHABLE
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert API_TOKEN not in err


def test_an_answer_has_a_bound() -> None:
    chunk = bytes(1 << 20)
    most = MAX_DOCUMENT_BYTES // len(chunk)
    assert len(collected(chunk for _ in range(most))) == MAX_DOCUMENT_BYTES
    with pytest.raises(ClientError, match="larger than any document"):
        collected(iter(lambda: chunk, b""))


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        (" application/json ;q=1", "application/json"),
        ("application/jsonp", "application/jsonp"),
        ("", ""),
    ],
)
def test_a_media_type_is_read_without_its_parameters(field: str, kind: str) -> None:
    assert media_type(field) == kind

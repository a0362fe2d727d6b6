"""``/v1/keys/{key}/signatures`` and ``/artifacts``: something to sign comes in, a signature goes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from flask import Blueprint, Response, request

from signer.artifacts import Form, SignatureSplice
from signer.domain.requests import Signature
from signer.web.context import answer, authenticated, body, service
from signer.web.documents import SignQuery, signature_document
from signer.web.parsing import parsed_query

blueprint = Blueprint("signing", __name__, url_prefix="/v1/keys/<key>")

ARTIFACT_MEDIA_TYPE = "application/vnd.mender-artifact"


@blueprint.post("/signatures")
def sign(key: str) -> Response:
    """Body: a manifest, the head of an artifact, or a whole artifact. Answer: JSON, or manifest.sig as text."""
    identity = authenticated()
    service().artifact_signing.authorise(identity, key)
    upload = service().upload_reader(form=Form.ANY, replace=_replace())
    for chunk in body().chunks(service().limits.artifact):
        upload.feed(chunk)
    signing_request = upload.finish()
    signature = service().artifact_signing.sign(identity, key, signing_request)
    if _wants_text():
        return Response(signature.encoded, content_type="text/plain; charset=us-ascii", headers=_about(signature))
    return answer(signature_document(signature, signing_request))


@blueprint.post("/artifacts")
def sign_artifact(key: str) -> Response:
    """Body: a whole artifact. Answer: the signed artifact."""
    identity = authenticated()
    service().artifact_signing.authorise(identity, key)
    upload = service().upload_reader(form=Form.ARTIFACT, replace=_replace())
    chunks = body().chunks(service().limits.artifact)
    file = service().spool.open(request.content_length)
    try:
        for chunk in chunks:
            upload.feed(chunk)
            file.write(chunk)
        signature = service().artifact_signing.sign(identity, key, upload.finish())
        content = file.finish()
    except BaseException:
        file.close()
        raise
    size = upload.splice.size(upload.received, signature.encoded)
    response = Response(
        SignedArtifact(content, upload.splice, signature.encoded),
        content_type=ARTIFACT_MEDIA_TYPE,
        headers=_about(signature),
    )
    response.content_length = size
    return response


class SignedArtifact:
    """The signed artifact as a response body; the spooled file is closed with it."""

    def __init__(self, file: BinaryIO, splice: SignatureSplice, encoded: bytes) -> None:
        self._file = file
        self._chunks = splice.join(file, encoded)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Called by the server when the answer is sent or the client is gone."""
        self._file.close()


def _about(signature: Signature) -> dict[str, str]:
    return {
        "X-Signing-Key-Version": str(signature.version),
        "X-Signing-Key-Fingerprint": signature.fingerprint,
    }


def _replace() -> bool:
    return parsed_query(SignQuery, request.args.items(multi=True)).replace == "true"


def _wants_text() -> bool:
    offered = ["application/json", "text/plain"]
    return request.accept_mimetypes.best_match(offered, default=offered[0]) == "text/plain"

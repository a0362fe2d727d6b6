"""``/v1/log/recall``: a bad release is taken back, for whoever may manage all keys that signed it."""

from __future__ import annotations

from flask import Response

from signer.services.recall_documents import recall_document
from signer.web.context import answer, authenticated, json_body, service
from signer.web.log_documents import Digest
from signer.web.parsing import ReasonBody, parsed


class RecallBody(ReasonBody):
    """``POST /v1/log/recall``."""

    manifest_sha256: Digest


def recall_release() -> Response:
    """Let no key sign the manifest again, and no signature of it be given out."""
    identity, body = authenticated(), parsed(RecallBody, json_body())
    recall, changed = service().administration.recalls.recall_as(
        identity, body.manifest_sha256, reason=body.reason, access=service().access
    )
    return answer(recall_document(recall, changed=changed))

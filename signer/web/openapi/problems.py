"""Refusals as OpenAPI has them: one form, and for each status of a route the codes that it may have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from signer.web.families import Family
from signer.web.problems import TYPE_PREFIX

Document = dict[str, Any]
_TEXT = {"type": "string"}
PROBLEM: Document = {
    "type": "object",
    "description": "A refusal (RFC 9457). `code` is stable; sentences are for people, and `facts` for programs.",
    "properties": {
        "type": {"type": "string", "pattern": f"^{TYPE_PREFIX}"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "detail": _TEXT,
        "request_id": _TEXT,
        "hint": _TEXT,
        "facts": {"type": "object"},
    },
    "required": ["type", "title", "status", "code", "detail", "request_id"],
}
MENDER_PROBLEM: Document = {
    "description": "A refusal as Mender's clients read it: `error` has the sentence too.",
    "allOf": [{"$ref": "#/components/schemas/Problem"}],
    "properties": {"error": _TEXT},
    "required": ["error"],
}
VAULT_ERRORS: Document = {
    "type": "object",
    "description": "A refusal as Vault's clients read it: sentences, the first with the stable code in brackets.",
    "properties": {"errors": {"type": "array", "items": _TEXT, "minItems": 1}},
    "required": ["errors"],
    "additionalProperties": False,
}
SIGNSERVER_ERROR: Document = {
    "type": "object",
    "description": "A refusal as SignServer's clients read it: a sentence, with the stable code in brackets.",
    "properties": {"error": _TEXT},
    "required": ["error"],
    "additionalProperties": False,
}
PROBLEM_COMPONENTS: Document = {
    "Problem": PROBLEM,
    "MenderProblem": MENDER_PROBLEM,
    "VaultErrors": VAULT_ERRORS,
    "SignServerError": SIGNSERVER_ERROR,
}
_COMPONENT_OF = {
    Family.NATIVE: "Problem",
    Family.MENDER: "MenderProblem",
    Family.VAULT: "VaultErrors",
    Family.SIGNSERVER: "SignServerError",
}
# RFC 9110 sections 11.6.1 and 10.2.3.
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "`Bearer`."),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "Seconds after which asking again makes sense."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", "Seconds after which asking again makes sense, where it does."),
    HTTPStatus.FORBIDDEN: ("Retry-After", "With `approval-required`: seconds after which asking again makes sense."),
}


def problem_answer(status: int, codes: Sequence[str], headers: Document, *, family: Family) -> Document:
    """A status with which a route refuses, and the codes that its documents have."""
    schema: Document = {"allOf": [{"$ref": f"#/components/schemas/{_COMPONENT_OF[family]}"}]}
    if family.is_dialect:
        schema["x-codes"] = list(codes)
    else:
        schema["properties"] = {"status": {"const": status}, "code": {"enum": list(codes)}}
    told = dict(headers)
    if status in _HEADERS:
        header, description = _HEADERS[HTTPStatus(status)]
        told[header] = {"description": description, "schema": _TEXT}
    return {
        "description": f"{HTTPStatus(status).phrase}.",
        "headers": told,
        "content": {family.refusal_media_type: {"schema": schema}},
    }


class RefusedAnswers:
    """Refusals that several routes have alike, each once."""

    def __init__(self) -> None:
        self.components: Document = {}
        self._names: dict[str, str] = {}

    def reference(self, status: int, codes: Sequence[str], headers: Document, *, family: Family) -> Document:
        """Where this one stands."""
        made = problem_answer(status, codes, headers, family=family)
        key = json.dumps(made, sort_keys=True)
        if key not in self._names:
            number = sum(name.startswith(f"Refused{status}-") for name in self.components) + 1
            self._names[key] = f"Refused{status}-{number}"
            self.components[self._names[key]] = made
        return {"$ref": f"#/components/responses/{self._names[key]}"}

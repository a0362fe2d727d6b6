"""``/v1/keys`` and ``/v1/events``: keys, their versions and their life."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.domain.keys import Key
from signer.services.lifecycle import NewKeyRequest, StepResult
from signer.web.context import answer, authenticated, authorised, json_body, service
from signer.web.documents import (
    BlindSignBody,
    DestroyBody,
    EventsQuery,
    KeyDocument,
    NewKeyBody,
    PrepareBody,
    RetireBody,
    event_document,
    key_document,
)
from signer.web.parsing import parsed, parsed_query

PEM_MEDIA_TYPE = "application/x-pem-file"
CREATED = 201


def create_key() -> Response:
    """Create a key, or adopt a pair as its first version."""
    identity = authenticated()
    body = parsed(NewKeyBody, json_body())
    new = NewKeyRequest(
        unverified_name=body.name,
        unverified_algorithm=body.algorithm,
        purpose=body.purpose,
        tokens=body.tokens,
        validity=body.validity,
        blind_sign=body.blind_sign,
    )
    lifecycle = service().lifecycle
    if body.adopt is None:
        return _outcome(lifecycle.create(identity, new), CREATED)
    return _outcome(lifecycle.adopt(identity, new, body.adopt.selector), CREATED)


def list_keys() -> Response:
    """All keys that the caller may know of, by name."""
    return answer({"keys": [_document(key) for key in service().queries.keys(authenticated())]})


def show_key(key: str) -> Response:
    """One key with its versions."""
    return answer(_document(service().queries.key(authenticated(), key)))


def public_key(key: str, number: int) -> Response:
    """The public key as PEM SubjectPublicKeyInfo, the form that devices read."""
    return Response(service().queries.public_key(authenticated(), key, number), content_type=PEM_MEDIA_TYPE)


def prepare_version(key: str) -> Response:
    """Prepare the next version."""
    identity = authorised(Action.MANAGE, key)
    body = parsed(PrepareBody, json_body())
    selector = body.adopt.selector if body.adopt else None
    outcome = service().lifecycle.prepare(identity, key, validity=body.validity, selector=selector, tokens=body.tokens)
    return _outcome(outcome, CREATED)


def rotate_key(key: str) -> Response:
    """The next version becomes the active one."""
    return _outcome(service().lifecycle.rotate(authenticated(), key))


def turn_blind_sign(key: str) -> Response:
    """Let the key sign digests, or no longer."""
    identity = authorised(Action.MANAGE, key)
    body = parsed(BlindSignBody, json_body())
    return answer(_document(service().digests.switch.turn(identity, key, allowed=body.allowed)))


def retire_version(key: str, number: int) -> Response:
    """Publish the version no longer."""
    identity = authorised(Action.MANAGE, key)
    body = parsed(RetireBody, json_body())
    return _outcome(service().lifecycle.retire(identity, key, number, force=body.force))


def disable_version(key: str, number: int) -> Response:
    """Switch the version off."""
    return _step(service().lifecycle.disable, key, number)


def enable_version(key: str, number: int) -> Response:
    """Switch the version on again."""
    return _step(service().lifecycle.enable, key, number)


def destroy_version(key: str, number: int) -> Response:
    """Remove the pair from the tokens, for ever."""
    identity = authorised(Action.MANAGE, key)
    body = parsed(DestroyBody, json_body())
    outcome = service().lifecycle.destroy(identity, key, number, confirmation=body.confirmation, force=body.force)
    return _outcome(outcome)


def list_events() -> Response:
    """What happened, oldest first, a page at a time."""
    identity = authorised(Action.READ_LOG)
    query = parsed_query(EventsQuery, request.args.items(multi=True))
    found = service().queries.events(identity, after=query.after, limit=query.limit, key=query.key)
    return answer(
        {
            "events": [event_document(recorded) for recorded in found],
            "next_after": found[-1].id if len(found) == query.limit else None,
        }
    )


def _step(step: Callable[[Identity, str, int], StepResult], key: str, number: int) -> Response:
    return _outcome(step(authenticated(), key, number))


def _outcome(outcome: StepResult, status: int = 200) -> Response:
    return answer({**_document(outcome.key), "warnings": list(outcome.warnings)}, status)


def _document(key: Key) -> KeyDocument:
    return key_document(key, service().queries.tokens_valid_until(key))

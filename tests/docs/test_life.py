"""docs/architecture.md and docs/api/events.md against the domain: states, steps, purposes, events."""

from __future__ import annotations

from datetime import UTC, datetime

from signer.domain.events import Event, EventType, RecordedEvent
from signer.domain.keys import PURPOSE_ALGORITHMS, TRUSTED_STATES, Purpose, VersionState
from signer.domain.lifecycle import PUBLIC_STEPS, TRANSITIONS, Step
from signer.domain.messages import PURPOSES
from signer.logs import FIELDS
from signer.web.documents import event_document
from tests.docs.documents import KEY_DOCUMENT, SIGNATURE_DOCUMENT
from tests.docs.pages import ROOT, quoted, section

ARCHITECTURE = "architecture.md"
LIFE = "The life of a key version"


def test_every_state_is_documented_with_what_it_means() -> None:
    listed = {quoted(row["state"])[0]: row for row in section(ARCHITECTURE, LIFE).table("state").records()}
    assert list(listed) == [state.value for state in VersionState]
    signs = {state for state, row in listed.items() if row["signs"] == "yes"}
    published = {state for state, row in listed.items() if row["published to devices"] == "yes"}
    assert signs == {VersionState.ACTIVE}
    assert published == {state.value for state in TRUSTED_STATES}


def test_the_table_of_steps_is_the_transition_table() -> None:
    listed = [tuple(quoted(cell)[0] for cell in row) for row in section(ARCHITECTURE, LIFE).table("from").rows]
    assert listed == [(state.value, step.value, target.value) for (state, step), target in TRANSITIONS.items()]


def test_every_step_is_part_of_the_table() -> None:
    listed = {quoted(row[1])[0] for row in section(ARCHITECTURE, LIFE).table("from").rows}
    assert listed == {step.value for step in Step}


def test_the_steps_of_people_are_named() -> None:
    (line,) = (line for line in section(ARCHITECTURE, LIFE).lines if line.startswith("- A person takes"))
    assert quoted(line) == [step.value for step in PUBLIC_STEPS]


def test_the_purposes_have_their_algorithms() -> None:
    listed = {quoted(row[0])[0]: row[1] for row in section(ARCHITECTURE, "Purposes").table("purpose").rows}
    assert list(listed) == [purpose.value for purpose in Purpose]
    everything = max(PURPOSE_ALGORITHMS.values(), key=len)
    for purpose in Purpose:
        allowed = PURPOSE_ALGORITHMS[purpose]
        if allowed == everything:
            assert listed[purpose] == "any"
        else:
            assert set(quoted(listed[purpose])) == {algorithm.value for algorithm in allowed}


def test_the_messages_that_keys_sign_have_their_purposes() -> None:
    listed = {quoted(row[0])[0]: row[1] for row in section(ARCHITECTURE, "What keys sign").table("message").rows}
    assert list(listed) == [message.__name__ for message in PURPOSES]
    for message, purposes in PURPOSES.items():
        told = set(Purpose) if listed[message.__name__] == "any purpose" else set(quoted(listed[message.__name__]))
        assert told == purposes


def test_the_files_on_the_route_of_a_request_are_there() -> None:
    table = section(ARCHITECTURE, "The route of one request").table("step")
    files = [name for row in table.rows for name in quoted(row[1])]
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_every_type_of_event_is_documented_and_no_other() -> None:
    listed = [quoted(row[0])[0] for row in section("api/events.md", "Events").table("type").rows]
    assert listed == [kind.value for kind in EventType]


def test_the_members_of_an_event_are_documented() -> None:
    event = Event(type=EventType.KEY_ROTATED, actor="a", key=None, version=None, before={}, after={})
    document = event_document(RecordedEvent(id=1, at=datetime.now(UTC), event=event))
    listed = [quoted(row[0])[0] for row in section("api/events.md", "Events").table("member").rows]
    assert listed == list(document)


def test_the_fields_of_a_log_line_are_documented() -> None:
    listed = {quoted(row[0])[0] for row in section("operations/running.md", "Log").table("field").rows}
    assert listed == {"time", "level", "logger", "message", *FIELDS}


def test_the_documents_of_keys_have_the_documented_members() -> None:
    tables = section("api/routes.md", "Keys").tables
    key, version = ({name for row in table.rows for name in quoted(row[0])} for table in tables)
    assert key == set(KEY_DOCUMENT)
    assert version == set(KEY_DOCUMENT["versions"][0])
    signing = section("api/routes.md", "`POST /v1/keys/{key}/signatures`").table("member")
    assert {name for row in signing.rows for name in quoted(row[0])} == set(SIGNATURE_DOCUMENT)

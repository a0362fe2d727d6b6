"""What is asked of the log in a query, as checked values, and what the log answers, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import TypedDict

from signer.domain.events import EventType
from signer.domain.keys import NAME_PATTERN
from signer.domain.leaves import LogEvent
from signer.errors import InvalidRequest
from signer.services.log_proofs import ConsistencyProof, InclusionProof
from signer.services.log_queries import Page
from signer.services.ports import LeafQuery
from signer.web.documents import RecordMembers
from signer.web.parsing import MAX_ID, Query, QueryNumber, Timestamp, parsed_query
from verifier.log import parsed_leaf

LEAF_TYPES = frozenset({*(kind.value for kind in LogEvent), *(kind.value for kind in EventType)})
# More than any leaf holds as it is.
MAX_TEXT = 4096
Index = Annotated[QueryNumber, Field(le=MAX_ID)]
KeyName = Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _text(value: str) -> str:
    if not value or len(value) > MAX_TEXT or "\x00" in value:
        raise ValueError(f"must have 1 to {MAX_TEXT} characters, and none that no record has")
    return value


def _types(value: str) -> str:
    if not LEAF_TYPES.issuperset(value.split(",")):
        raise ValueError("must be types of leaves, with commas between them")
    return value


def _flag(value: object) -> bool:
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
Text = Annotated[str, AfterValidator(_text)]
Types = Annotated[str, AfterValidator(_types)]


class NoQuery(Query):
    """Of routes that take no parameters."""


class EntriesQuery(Query):
    """Parameters of ``GET /v1/log/entries``."""

    first: Index = 0
    limit: Annotated[QueryNumber, Field(ge=1, le=1000)] = 100
    type: Types | None = None
    key: KeyName | None = None
    artifact: Text | None = None
    actor: Text | None = None
    manifest_sha256: Digest | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None

    @property
    def query(self) -> LeafQuery:
        """The same as services take it."""
        return LeafQuery(
            first=self.first,
            limit=self.limit,
            types=tuple(self.type.split(",")) if self.type else (),
            key=self.key,
            artifact=self.artifact,
            actor=self.actor,
            manifest_sha256=self.manifest_sha256,
            since=self.since,
            until=self.until,
        )


class LeafProofQuery(Query):
    """Parameters of ``GET /v1/log/proof``: the path of a leaf, to the newest checkpoint or an older size."""

    index: Index
    size: Index | None = None
    witnessed: Flag = False

    @model_validator(mode="after")
    def _one_tree(self) -> LeafProofQuery:
        if self.witnessed and self.size is not None:
            raise ValueError("size and witnessed are two trees")
        return self


class SignatureProofQuery(Query):
    """Parameters of ``GET /v1/log/proof``: the record of a signature."""

    manifest_sha256: Digest
    key: KeyName
    version: Annotated[QueryNumber, Field(ge=1, le=MAX_ID)] | None = None
    witnessed: Flag = False


class GrowthProofQuery(Query):
    """Parameters of ``GET /v1/log/proof``: that the log only grew."""

    old_size: Index = Field(alias="from")
    new_size: Index | None = Field(None, alias="to")


_PROOF_FORMS: Mapping[str, type[LeafProofQuery | SignatureProofQuery | GrowthProofQuery]] = MappingProxyType(
    {"index": LeafProofQuery, "manifest_sha256": SignatureProofQuery, "from": GrowthProofQuery}
)


def proof_query(parameters: Sequence[tuple[str, str]]) -> LeafProofQuery | SignatureProofQuery | GrowthProofQuery:
    """What kind of proof is asked for; raises ``InvalidRequest``, also for members of two kinds."""
    names = {name for name, _ in parameters}
    for member, form in _PROOF_FORMS.items():
        if member in names:
            return parsed_query(form, parameters)
    raise InvalidRequest(problems=("the query: needs one of index, manifest_sha256 and from",))


class LogEntry(TypedDict):
    """A leaf and its place."""

    index: int
    leaf: dict[str, Any]


class LogPage(TypedDict):
    """A page of leaves. ``size``: how many leaves the newest checkpoint covers."""

    entries: list[LogEntry]
    next_first: int | None
    size: int


class InclusionDocument(RecordMembers):
    """The path of a leaf to a root; hashes are lowercase hex."""

    index: int
    size: int
    root: str
    hashes: list[str]


# ``from`` is a word of the language.
ConsistencyDocument = TypedDict(
    "ConsistencyDocument", {"from": int, "to": int, "old_root": str, "root": str, "hashes": list[str]}
)


def page_document(page: Page) -> LogPage:
    """A page of leaves. ``size``: how many leaves the newest checkpoint covers."""
    return {
        "entries": [{"index": entry.index, "leaf": parsed_leaf(entry.leaf)} for entry in page.entries],
        "next_first": page.next_first,
        "size": page.size,
    }


def inclusion_document(proof: InclusionProof) -> InclusionDocument:
    """The path of a leaf; ``leaf`` and ``proof`` where there are such."""
    return {
        "index": proof.index,
        "size": proof.size,
        "root": proof.root.hex(),
        "hashes": [each.hex() for each in proof.path],
        **recorded_members(proof),
    }


def recorded_members(proof: InclusionProof) -> RecordMembers:
    """The leaf, for people, and the proof file, for programs."""
    text = proof.text
    members: RecordMembers = {}
    if proof.leaf is not None:
        members["leaf"] = parsed_leaf(proof.leaf)
    if text is not None:
        members["proof"] = text.decode("utf-8")
    return members


def consistency_document(proof: ConsistencyProof) -> ConsistencyDocument:
    """The path from one size to another."""
    return {
        "from": proof.old_size,
        "to": proof.size,
        "old_root": proof.old_root.hex(),
        "root": proof.root.hex(),
        "hashes": [each.hex() for each in proof.path],
    }

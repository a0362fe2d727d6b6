"""What is taken in to be signed: all of the corpus, in every form, whole and cut."""

from __future__ import annotations

import io
from operator import attrgetter

import pytest

from signer.artifacts import Form, UploadReader
from signer.domain.requests import Checked, SigningRequest
from signer.errors import ArtifactIncomplete, EmptyBody, SignedAlready, SignerError
from tests.artifacts import ArtifactBuilder, Compression, breaks
from tests.artifacts.builder import Stage
from tests.artifacts.corpus import CORPUS, Case
from tests.support.rows import slow_but_every
from verifier import ArtifactReader, HeaderRead, Limits, VerificationError, errors

NAME = attrgetter("name")
HEAD_BYTES = 1 << 20
SIGNATURE_CODES = {
    error.code
    for base in (errors.SignatureError,)
    for error in (base, *base.__subclasses__())
}  # fmt: skip
REFUSED = [case for case in CORPUS if not case.accepted and case.code not in SIGNATURE_CODES]


def taken(body: bytes, form: Form, *, head_bytes: int = HEAD_BYTES, replace: bool = True) -> SigningRequest:
    """In one piece: an error in it may come out only at the end."""
    upload = UploadReader(form=form, limits=Limits(), head_bytes=head_bytes, replace=replace)
    upload.feed(body)
    return upload.finish()


@pytest.mark.parametrize("case", slow_but_every(4, [case for case in CORPUS if case.accepted]), ids=NAME)
def test_what_devices_accept_is_taken(case: Case) -> None:
    request = taken(case.recipe.build(), Form.ARTIFACT)
    assert request.checked is Checked.ARTIFACT
    assert request.header is not None
    assert request.header.artifact_name == case.recipe.name


@pytest.mark.parametrize("case", slow_but_every(8, REFUSED), ids=NAME)
def test_what_a_device_refuses_is_never_signed(case: Case) -> None:
    body = case.recipe.build()
    with pytest.raises((VerificationError, EmptyBody)) as refused:
        taken(body, Form.ARTIFACT)
    try:
        request = taken(body, Form.ANY)
    except (VerificationError, EmptyBody):
        return
    # Only an artifact that simply ends early may count as a head, and never as more than that.
    assert isinstance(refused.value, errors.Truncated)
    assert refused.value.part == "artifact"
    assert request.checked is Checked.HEAD


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("count", [512, 1024, 1200])
def test_a_payload_that_is_cut_inside_a_whole_artifact_is_no_head(compression: Compression, count: int) -> None:
    body = ArtifactBuilder().compressed(compression).edited(Stage.PAYLOAD_TAR, breaks.cut(count)).build()
    with pytest.raises(errors.Truncated):
        taken(body, Form.ANY)


@pytest.mark.parametrize("case", [case for case in CORPUS if case.code in SIGNATURE_CODES - {"unsigned"}], ids=NAME)
def test_a_bad_signature_is_replaced_only_when_asked(case: Case) -> None:
    with pytest.raises(SignerError) as refused:
        taken(case.recipe.build(), Form.ARTIFACT, replace=False)
    assert isinstance(refused.value, SignedAlready)


def header_end(artifact: bytes) -> int:
    (header,) = [event for event in ArtifactReader().feed(artifact) if isinstance(event, HeaderRead)]
    return header.end_offset


def test_every_cut_is_a_head_or_a_refusal() -> None:
    artifact = ArtifactBuilder().build()
    enough = header_end(artifact)
    for size in range(1, len(artifact), 97):
        with pytest.raises(VerificationError):
            taken(artifact[:size], Form.ARTIFACT)
        if size < enough:
            with pytest.raises(VerificationError):
                taken(artifact[:size], Form.ANY)
        else:
            assert taken(artifact[:size], Form.ANY).checked is Checked.HEAD


def test_a_cut_artifact_that_is_too_long_for_a_head_is_incomplete() -> None:
    artifact = ArtifactBuilder().build()
    with pytest.raises(ArtifactIncomplete):
        taken(artifact[:-1024], Form.ANY, head_bytes=header_end(artifact))


@pytest.mark.parametrize("body", [b"", b"v", b"version", b"\0" * 8], ids=["nothing", "a letter", "a word", "zeros"])
def test_tiny_bodies_are_refused(body: bytes) -> None:
    for form in Form:
        with pytest.raises((VerificationError, EmptyBody)):
            taken(body, form)


def test_the_splice_adds_one_member_and_nothing_else() -> None:
    artifact = ArtifactBuilder().build()
    upload = UploadReader(form=Form.ARTIFACT, limits=Limits(), head_bytes=HEAD_BYTES)
    upload.feed(artifact)
    upload.finish()
    encoded = b"A" * 684
    signed = b"".join(upload.splice.join(io.BytesIO(artifact), encoded))
    assert len(signed) == upload.splice.size(len(artifact), encoded) == len(artifact) + 512 + 1024
    cut = upload.splice.cut_from
    assert signed[:cut] + signed[cut + 1536 :] == artifact

"""``/v1/log``: paths of one spelling, nothing beyond the checkpoint, and leaves for those who may read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from signer.domain.identity import Role
from tests.support.logged_site import KEY, LoggedSite, logged_site
from verifier.log import (
    LogDemand,
    LogTrust,
    VerifierKey,
    bundle_entries,
    leaf_hash,
    open_checkpoint,
    parsed_leaf,
    verify_consistency,
    verify_inclusion,
    verify_proof,
)

SIZE = 300
DIGEST = f"{299:064x}"
RECORD = f"proof?manifest_sha256={DIGEST}&key={KEY}"
FOR_EVER = "private, max-age=31536000, immutable"
HASHES = ("checkpoint", "keys", "tile/0/000", "tile/0/001.p/44", "proof?index=0", "proof?from=3")
CONTENT = ("tile/entries/000", "tile/entries/001.p/44", "entries")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedSite]:
    """310 leaves, of which 300 are certified."""
    with logged_site(tmp_path_factory.mktemp("logged")) as made:
        made.grow(SIZE)
        made.grow(SIZE + 10, certify=False)
        yield made


@pytest.fixture
def fresh(tmp_path: Any) -> Iterator[LoggedSite]:
    with logged_site(tmp_path) as made:
        yield made


class TestWhoMay:
    """Hashes for everybody with credentials, leaves for those who may read the log."""

    @pytest.mark.parametrize("path", HASHES + CONTENT)
    def test_nobody_without_credentials(self, site: LoggedSite, path: str) -> None:
        answer = site.get(path, role=None)
        assert (answer.status_code, answer.json()["code"]) == (401, "credentials-missing")

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("path", HASHES)
    def test_everybody_reads_hashes(self, site: LoggedSite, path: str, role: Role) -> None:
        assert site.get(path, role).status_code == 200

    @pytest.mark.parametrize("role", Role)
    @pytest.mark.parametrize("path", CONTENT)
    def test_leaves_are_for_those_who_may_read_the_log(self, site: LoggedSite, path: str, role: Role) -> None:
        answer = site.get(path, role)
        if role in (Role.ADMINISTRATOR, Role.AUDITOR):
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")

    @pytest.mark.parametrize("role", Role)
    def test_the_record_of_a_signature_is_for_those_who_know_its_manifest(self, site: LoggedSite, role: Role) -> None:
        assert site.get(RECORD, role).json()["index"] == SIZE - 1

    @pytest.mark.parametrize("role", [Role.SIGNER, Role.READER])
    def test_a_proof_by_index_tells_them_no_leaf(self, site: LoggedSite, role: Role) -> None:
        document = site.get("proof?index=299", role).json()
        assert "leaf" not in document
        assert "extra" not in document["proof"]


PATHS: dict[str, tuple[str, int, str]] = {
    "a leading x": ("tile/0/x000/005", 400, "log-path-invalid"),
    "a sign": ("tile/0/+05", 400, "log-path-invalid"),
    "a minus": ("tile/0/-01", 400, "log-path-invalid"),
    "two digits": ("tile/0/00", 400, "log-path-invalid"),
    "four digits": ("tile/0/0000", 400, "log-path-invalid"),
    "no x": ("tile/0/001/067", 400, "log-path-invalid"),
    "a width of 0": ("tile/0/000.p/0", 400, "log-path-invalid"),
    "a width of 256": ("tile/0/000.p/256", 400, "log-path-invalid"),
    "a width of 1000": ("tile/0/000.p/1000", 400, "log-path-invalid"),
    "a width with a leading zero": ("tile/0/000.p/01", 400, "log-path-invalid"),
    "a width that is missing": ("tile/0/000.p/", 400, "log-path-invalid"),
    "a level with a leading zero": ("tile/00/000", 400, "log-path-invalid"),
    "level 8": ("tile/8/000", 400, "log-path-invalid"),
    "level 64": ("tile/64/000", 400, "log-path-invalid"),
    "level -1": ("tile/-1/000", 400, "log-path-invalid"),
    "level 10^30": (f"tile/{10**30}/000", 400, "log-path-invalid"),
    "a tile height": ("tile/8/0/000", 400, "log-path-invalid"),
    "a level without a tile": ("tile/0", 400, "log-path-invalid"),
    "a slash at the end": ("tile/0/000/", 400, "log-path-invalid"),
    "two slashes": ("tile//0/000", 400, "log-path-invalid"),
    "an encoded slash": ("tile/0%2F000", 400, "log-path-invalid"),
    "an encoded digit": ("tile/0/%30%30%30", 400, "log-path-invalid"),
    "an encoded letter of entries": ("tile/%65ntries/000", 400, "log-path-invalid"),
    "entries in capitals": ("tile/ENTRIES/000", 400, "log-path-invalid"),
    "data": ("tile/data/000", 400, "log-path-invalid"),
    "a part that goes up": ("tile/0/../0/000", 400, "log-path-invalid"),
    "up to the entries": ("tile/0/../entries/000", 400, "log-path-invalid"),
    "digits of another script": ("tile/0/%D9%A0%D9%A0%D9%A0", 400, "log-path-invalid"),
    "a line break at the end": ("tile/0/000%0A", 400, "log-path-invalid"),
    "a thousand groups": ("tile/0/" + "x999/" * 1000 + "999", 400, "log-path-invalid"),
    "a bundle with a level": ("tile/entries/0/000", 400, "log-path-invalid"),
    "a bundle with a leading x": ("tile/entries/x000/000", 400, "log-path-invalid"),
    "a bundle of a width of 256": ("tile/entries/000.p/256", 400, "log-path-invalid"),
    "bytes that are not ASCII": ("tile/0/00\xe9", 404, "route-not-found"),
    "no tile": ("tile/", 404, "route-not-found"),
    "no bundle": ("tile/entries/", 404, "route-not-found"),
    "nothing of entries": ("tile/entries", 404, "route-not-found"),
    "a slash after the checkpoint": ("checkpoint/", 404, "route-not-found"),
    "a full tile that is not full yet": ("tile/0/001", 404, "log-beyond-checkpoint"),
    "a wider tile than is certified": ("tile/0/001.p/45", 404, "log-beyond-checkpoint"),
    "a tile that is not there": ("tile/0/002.p/1", 404, "log-beyond-checkpoint"),
    "a wider tile of level 1": ("tile/1/000.p/2", 404, "log-beyond-checkpoint"),
    "a level that is not reached": ("tile/7/000.p/1", 404, "log-beyond-checkpoint"),
    "the largest number that can be written": ("tile/0/" + "x999/" * 6 + "999", 404, "log-beyond-checkpoint"),
    "a wider bundle than is certified": ("tile/entries/001.p/45", 404, "log-beyond-checkpoint"),
    "a bundle that is not there": ("tile/entries/x999/999", 404, "log-beyond-checkpoint"),
}


@pytest.mark.parametrize("sentence", PATHS)
def test_no_tile_has_a_path_with(site: LoggedSite, sentence: str) -> None:
    path, status, code = PATHS[sentence]
    answer = site.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "cache-control" not in answer.headers


QUERIES: dict[str, tuple[str, int, str]] = {
    "a member of a checkpoint": ("checkpoint?size=3", 400, "invalid-request"),
    "a member of a tile": ("tile/0/000?a=b", 400, "invalid-request"),
    "a member of the keys": ("keys?a=b", 400, "invalid-request"),
    "no member of a proof": ("proof", 400, "invalid-request"),
    "a size alone": ("proof?size=3", 400, "invalid-request"),
    "a digest without a key": (f"proof?manifest_sha256={DIGEST}", 400, "invalid-request"),
    "a key without a digest": (f"proof?key={KEY}", 400, "invalid-request"),
    "a target without a beginning": ("proof?to=3", 400, "invalid-request"),
    "two kinds of proof": ("proof?index=3&from=1", 400, "invalid-request"),
    "members of two kinds": ("proof?from=3&size=5", 400, "invalid-request"),
    "an index twice": ("proof?index=3&index=3", 400, "invalid-request"),
    "another member": ("proof?index=3&verbose=1", 400, "invalid-request"),
    "an empty index": ("proof?index=", 400, "invalid-request"),
    "a negative index": ("proof?index=-1", 400, "invalid-request"),
    "an index with a sign": ("proof?index=%2B1", 400, "invalid-request"),
    "an index with a leading zero": ("proof?index=01", 400, "invalid-request"),
    "an index in hexadecimal": ("proof?index=0x1", 400, "invalid-request"),
    "an index with a fraction": ("proof?index=1.0", 400, "invalid-request"),
    "an index of 2^63": (f"proof?index={1 << 63}", 400, "invalid-request"),
    "an index of a thousand digits": ("proof?index=" + "9" * 1000, 400, "invalid-request"),
    "a size and witnesses": ("proof?index=3&size=5&witnessed=true", 400, "invalid-request"),
    "witnesses of growth": ("proof?from=3&witnessed=true", 400, "invalid-request"),
    "witnesses as a number": ("proof?index=3&witnessed=1", 400, "invalid-request"),
    "witnesses in capitals": ("proof?index=3&witnessed=True", 400, "invalid-request"),
    "witnesses twice": ("proof?index=3&witnessed=true&witnessed=true", 400, "invalid-request"),
    "no witness": ("proof?index=3&witnessed=true", 503, "log-not-witnessed"),
    "no witness of a signature": (f"{RECORD}&witnessed=true", 503, "log-not-witnessed"),
    "an index of 2^63-1": (f"proof?index={(1 << 63) - 1}", 404, "log-beyond-checkpoint"),
    "an index at the checkpoint": ("proof?index=300", 404, "log-beyond-checkpoint"),
    "a size beyond the checkpoint": ("proof?index=3&size=301", 404, "log-beyond-checkpoint"),
    "a size that does not hold the index": ("proof?index=3&size=3", 404, "log-beyond-checkpoint"),
    "growth beyond the checkpoint": ("proof?from=3&to=301", 404, "log-beyond-checkpoint"),
    "growth backwards": ("proof?from=3&to=2", 404, "log-beyond-checkpoint"),
    "a digest that nobody signed": (f"proof?manifest_sha256={'0' * 64}&key={KEY}", 404, "log-entry-not-found"),
    "a digest that is not certified": (f"proof?manifest_sha256={300:064x}&key={KEY}", 404, "log-entry-not-found"),
    "a digest in capitals": (f"proof?manifest_sha256={'A' * 64}&key={KEY}", 400, "invalid-request"),
    "half a digest": (f"proof?manifest_sha256={'0' * 32}&key={KEY}", 400, "invalid-request"),
    "a digest with a line break": (f"proof?manifest_sha256={DIGEST}%0A&key={KEY}", 400, "invalid-request"),
    "a key that is not there": (f"proof?manifest_sha256={DIGEST}&key=other", 404, "key-not-found"),
    "a key that cannot be": (f"proof?manifest_sha256={DIGEST}&key=..%2F", 400, "invalid-request"),
    "version 0": (f"{RECORD}&version=0", 400, "invalid-request"),
    "a version that signed nothing": (f"{RECORD}&version=2", 404, "log-entry-not-found"),
    "no entries": ("entries?limit=0", 400, "invalid-request"),
    "too many entries": ("entries?limit=1001", 400, "invalid-request"),
    "entries from 2^63 on": (f"entries?first={1 << 63}", 400, "invalid-request"),
    "a type that there is not": ("entries?type=rumour", 400, "invalid-request"),
    "one type of two that there is not": ("entries?type=signature,rumour", 400, "invalid-request"),
    "an empty type": ("entries?type=", 400, "invalid-request"),
    "a type twice": ("entries?type=signature&type=signature", 400, "invalid-request"),
    "an empty artifact": ("entries?artifact=", 400, "invalid-request"),
    "an artifact with a NUL": ("entries?artifact=a%00b", 400, "invalid-request"),
    "an artifact without end": ("entries?artifact=" + "a" * 5000, 400, "invalid-request"),
    "a time without a zone": ("entries?since=2030-01-01T00:00:00", 400, "invalid-request"),
    "a day": ("entries?until=2030-01-01", 400, "invalid-request"),
    "an entry's own member": ("entries?fingerprint=00", 400, "invalid-request"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", QUERIES)
def test_no_answer_to_a_query_with(site: LoggedSite, sentence: str) -> None:
    path, status, code = QUERIES[sentence]
    answer = site.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


class TestAnswers:
    """What readers of such logs expect."""

    def test_the_checkpoint_is_kept_for_a_second(self, site: LoggedSite) -> None:
        answer = site.get("checkpoint", Role.READER)
        assert open_checkpoint(answer.data, [site.checkpoints.key.verifier]).checkpoint.size == SIZE
        assert answer.content_type == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "private, max-age=1"

    @pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "tile/0/000.p/7", "tile/1/000.p/1"])
    def test_a_tile_is_kept_for_ever(self, site: LoggedSite, path: str) -> None:
        answer = site.get(path, Role.READER)
        assert len(answer.data) == 32 * int(path.partition(".p/")[2] or 256)
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["cache-control"] == FOR_EVER

    def test_a_bundle_holds_what_the_tile_says(self, site: LoggedSite) -> None:
        hashes, bundle = site.get("tile/0/001.p/44"), site.get("tile/entries/001.p/44")
        assert b"".join(leaf_hash(leaf) for leaf in bundle_entries(bundle.data)) == hashes.data
        assert bundle.headers["cache-control"] == FOR_EVER

    def test_head_tells_what_get_would(self, site: LoggedSite) -> None:
        answer = site.get("tile/0/000", method="HEAD")
        assert (answer.status_code, answer.headers["content-length"], answer.data) == (200, "8192", b"")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    @pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "entries"])
    def test_nothing_is_written(self, site: LoggedSite, path: str, method: str) -> None:
        assert site.get(path, method=method).status_code == 405

    def test_entries_come_in_pages(self, site: LoggedSite) -> None:
        first = site.get("entries?limit=200&type=signature,signature-repeated").json()
        last = site.get(f"entries?limit=200&type=signature&first={first['next_first']}").json()
        indexes = [entry["index"] for entry in first["entries"] + last["entries"]]
        assert indexes == [*range(indexes[0], SIZE)]
        assert (first["size"], last["next_first"]) == (SIZE, None)

    def test_an_entry_is_the_leaf(self, site: LoggedSite) -> None:
        (entry,) = site.get(f"entries?artifact=release-7&key={KEY}&actor=api-token:pipeline").json()["entries"]
        assert entry["leaf"] == parsed_leaf(site.reader.leaves(entry["index"], entry["index"] + 1)[0])

    @pytest.mark.parametrize("size", [None, 257, 8, 300])
    def test_a_path_leads_to_the_root(self, site: LoggedSite, size: int | None) -> None:
        document = site.get("proof?index=5" + (f"&size={size}" if size else ""), Role.READER).json()
        verify_inclusion(
            index=5,
            size=document["size"],
            leaf=leaf_hash(site.reader.leaves(5, 6)[0]),
            path=[bytes.fromhex(each) for each in document["hashes"]],
            root=bytes.fromhex(document["root"]),
        )
        assert ("proof" in document) is (size in (None, SIZE))

    def test_growth_is_shown(self, site: LoggedSite) -> None:
        document = site.get("proof?from=7&to=257", Role.READER).json()
        verify_consistency(
            old_size=document["from"],
            old_root=bytes.fromhex(document["old_root"]),
            size=document["to"],
            root=bytes.fromhex(document["root"]),
            path=[bytes.fromhex(each) for each in document["hashes"]],
        )

    def test_the_record_of_a_signature_is_a_proof_file(self, site: LoggedSite) -> None:
        document = site.get(RECORD, Role.SIGNER).json()
        trust = LogTrust(log_keys=(VerifierKey.parse(site.checkpoints.key.vkey),))
        evidence = verify_proof(
            LogDemand(trust=trust, unverified_proof=document["proof"].encode()),
            manifest_sha256=DIGEST,
            fingerprint="f" * 64,
            signature=b"A" * 86 + b"==",
        )
        assert (evidence.index, document["leaf"]["actor"]) == (SIZE - 1, "api-token:pipeline")


@pytest.mark.parametrize("path", ["checkpoint", "keys", "tile/0/000.p/1", "entries", "proof?index=0", "proof?from=0"])
def test_a_log_without_a_checkpoint_tells_nothing(fresh: LoggedSite, path: str) -> None:
    answer = fresh.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "log-missing")

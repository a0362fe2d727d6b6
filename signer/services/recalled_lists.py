"""The signed list of recalled manifests, for devices and whoever verifies artifacts.

1. It is made of what is on record of recalls, and compared with the newest leaf about one, which stands under the
   newest checkpoint: a database that says otherwise gets nothing signed.
2. Its version is the index of that leaf, plus one: the same recalls are the same text, and signed once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from signer.domain.leaves import LogEvent
from signer.domain.recalls import Recall, recalled_digest
from signer.errors import LogDamaged, LogNotCertified
from signer.services.access_ports import RecallStore
from signer.services.checkpoints import CheckpointSigner
from signer.services.log_checkpoints import NewestCheckpoint
from signer.services.log_proofs import LogProofService
from signer.services.ports import LeafQuery, LogReader
from verifier.errors import LeafMalformed
from verifier.log import RecalledList, parsed_leaf


class RecalledLists:
    """Makes the list for one process. Safe for threads. ``signer`` gives one for the log of this origin."""

    def __init__(
        self,
        *,
        store: RecallStore,
        reader: LogReader,
        newest: NewestCheckpoint,
        proofs: LogProofService,
        signer: Callable[[str], CheckpointSigner],
    ) -> None:
        self._store = store
        self._reader = reader
        self._newest = newest
        self._proofs = proofs
        self._signer = signer
        self._lock = threading.Lock()
        self._made: tuple[RecalledList, bytes] | None = None

    def signed(self) -> bytes:
        """The list of all recalls, a signed note.

        Raises ``LogNotCertified`` where no checkpoint covers the newest one yet, ``LogDamaged``, ``LogKeyMissing``, or
        a ``hsm.errors.TokenError``.
        """
        newest, recalls = self._newest(), list(self._store.recalls())
        if recalls:
            self._require_told(recalls, newest.size)
        manifests = tuple(sorted(recall.manifest_sha256 for recall in recalls))
        version = recalls[-1].leaf + 1 if recalls else 0
        wanted = RecalledList(origin=newest.checkpoint.origin, version=version, manifests=manifests)
        with self._lock:
            if self._made is None or self._made[0] != wanted:
                self._made = wanted, self._signer(wanted.origin).sign_recalled(wanted)
            return self._made[1]

    def _require_told(self, recalls: list[Recall], size: int) -> None:
        last = recalls[-1]
        if last.leaf >= size:
            raise LogNotCertified(index=last.leaf)
        query = LeafQuery(first=last.leaf, limit=1, types=(LogEvent.RELEASE_RECALLED.value,))
        found = [entry for entry in self._reader.find(query) if entry.index == last.leaf]
        self._proofs.require_certified(found)
        try:
            told = [parsed_leaf(entry.leaf).get("recalled_sha256") for entry in found]
        except LeafMalformed:
            told = []
        if told != [recalled_digest(recall.manifest_sha256 for recall in recalls)]:
            raise LogDamaged(index=last.leaf, problem="what is on record of recalls is not what the leaf says")

"""How refusals of batches, and of items in them, are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.errors import batches
from signer.web.wording import Wording

BATCH_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        batches.BatchEmpty: Wording(
            status=400,
            detail="the batch asks for nothing",
            hint='send {{"requests": [{{"manifest": BASE64}} or {{"head": BASE64}}, …]}}',
        ),
        batches.BatchTooLong: Wording(
            status=413, detail="the batch has more than {limit} items", hint="send it in several batches"
        ),
        batches.BatchesExhausted: Wording(
            status=503,
            transient=True,
            detail="the batches that are worked on leave no room for this one",
            hint="try again, or send smaller batches; single signatures go on",
        ),
        batches.BatchItemTooLarge: Wording(
            status=413,
            detail="the item has more than {limit} bytes",
            hint="send a head up to the end of its header, or send it alone",
        ),
        batches.BatchItemInvalid: Wording(
            status=400,
            detail="the item {problem}",
            hint='an item is {{"manifest": BASE64}} or {{"head": BASE64}}, in standard base64 with its padding',
        ),
    }
)

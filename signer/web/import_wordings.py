"""How refusals of lists from another server are told: by the commands that read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.errors import imports
from signer.web.wording import Wording

IMPORT_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        imports.ListUnreadable: Wording(
            status=422,
            detail="the list cannot be read at {at}: {problem}",
            hint="nothing was imported; fetch the list again",
        ),
        imports.ListNotTaken: Wording(
            status=422,
            detail="{refused} of {entries} entries are not understood, or contradict what is on record; the first is "
            "{first}",
            hint="nothing was imported; --report FILE tells of each, --skip-faulty leaves them out",
        ),
        imports.PasswordFileUnfit: Wording(
            status=409,
            detail="the file {path} cannot hold passwords that log in once: {problem}",
            hint="name another file; nothing was imported",
        ),
        imports.ListChanged: Wording(
            status=409,
            detail="the file was changed while it was read",
            hint="run the command again: what is on record already is left alone",
        ),
    }
)

"""How it is told why a log cannot be followed, and what shows that it is not one log."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

MONITOR_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.ExpectationsInvalid: Wording(status=500, detail="{path} cannot be used: {problems}"),
        errors.MonitorStateInvalid: Wording(
            status=500, detail="the state in {path} cannot be used: {problem}", hint="take it away to begin anew"
        ),
        errors.CheckpointRefused: Wording(
            status=500,
            detail="what is shown as the log's checkpoint is not signed by its key: {problem}",
            hint="look at --log-key, and at what answers",
        ),
        errors.LogInconsistent: Wording(
            status=500,
            detail="the {seen_size} leaves that were seen, and the {shown_size} that it shows, are not one log",
            hint="keep the state, it holds both signed notes: they prove it",
        ),
        errors.LogEntryWrong: Wording(
            status=500,
            detail="what the log serves at index {index} is not what its checkpoint covers",
            hint="artifact-signer log verify on the machine of the log",
        ),
        errors.CheckpointStale: Wording(
            status=503,
            detail="the log goes on showing {shown_size} leaves, where {seen_size} were seen",
            hint="find out whether an older state was put back",
        ),
    }
)

"""Two readings of one artifact, held together: what `mender-artifact read` prints, and what it has to print.

Compared are name, group, devices, dependencies, scripts, payload type, provides, depends and files. What it prints of
the signature, of times, meta-data and cleared provides is passed over.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping

from verifier import Evidence

from .judges import JUDGE_SECONDS, TOOL

_PASSED_OVER = (
    re.compile(r"^  Signature: .*\n", re.MULTILINE),
    re.compile(r"^      modified: .*\n", re.MULTILINE),
    re.compile(r"^    (?:Clears Provides|Metadata):.*?(?=^    Files:)", re.MULTILINE | re.DOTALL),
)


def printed(path: str) -> str:
    """What the tool prints of the artifact at `path`, without what is passed over."""
    done = subprocess.run(
        [TOOL, "read", path],
        capture_output=True,
        text=True,
        check=False,
        timeout=JUDGE_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    text = done.stdout
    for passed_over in _PASSED_OVER:
        text = passed_over.sub("", text)
    return text


def expected(evidence: Evidence) -> str:
    """What it has to print, by our own reading."""
    return "".join(f"{line}\n" for line in _lines(evidence))


def _lines(evidence: Evidence) -> Iterator[str]:
    header = evidence.header
    yield "Mender artifact:"
    yield f"  Name: {header.artifact_name}"
    yield "  Format: mender"
    yield "  Version: 3"
    yield f"  Compatible devices: '[{' '.join(header.device_types)}]'"
    yield f"  Provides group: {header.artifact_group or ''}"
    yield f"  Depends on one of artifact(s): [{', '.join(header.depends_artifact_names)}]"
    yield f"  Depends on one of group(s): [{', '.join(header.depends_artifact_groups)}]"
    yield "  State scripts:"
    yield from (f"    {name}" for name in header.scripts)
    yield ""
    yield "Updates:"
    yield "    0:"
    yield f"    Type:   {header.payload_type or 'Empty type'}"
    yield from _map("Provides", header.provides)
    yield from _map("Depends", header.depends)
    yield "    Files:" if evidence.payloads else "    Files: None"
    listed = [entry.name for entry in evidence.manifest.payloads]
    for payload in sorted(evidence.payloads, key=lambda payload: listed.index(payload.name)):
        yield f"      name:     {payload.name}"
        yield f"      size:     {payload.size}"
        yield f"      checksum: {payload.sha256}"


def _map(label: str, values: Mapping[str, str]) -> Iterator[str]:
    yield f"    {label}:" if values else f"    {label}: Nothing"
    yield from (f"\t{key}: {values[key]}" for key in sorted(values, key=str.encode))

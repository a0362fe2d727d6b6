"""``artifact-verify``: verifies artifacts for people and scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    import argparse

    from verifier.errors import KeyLoadError, VerificationError
    from verifier.keys import TrustStore
    from verifier.verification import verify

    parser = argparse.ArgumentParser(prog="artifact-verify")
    parser.add_argument("--key", action="append", default=[])
    parser.add_argument("artifact", nargs="+")
    arguments = parser.parse_args(argv)
    try:
        trust = TrustStore.load(arguments.key)
    except KeyLoadError as error:
        sys.stderr.write(f"artifact-verify: {error}\n")
        return 2
    code = 0
    for path in arguments.artifact:
        try:
            with open(path, "rb") as stream:  # noqa: PTH123
                evidence = verify(stream, trust=trust)
        except VerificationError as error:
            sys.stderr.write(f"artifact-verify: {error}\n")
            code = 1
        else:
            sys.stdout.write(f"{path}: valid, {evidence.artifact_name!r} {evidence.key.fingerprint}\n")
    return code

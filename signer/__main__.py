"""``artifact-signer``: the command line of the service and its administration."""

from __future__ import annotations

import sys

OURS = ("signer", "hsm", "verifier", "device")


def main() -> int:
    """Run the command line; a missing extra is one sentence, not a traceback."""
    try:
        from signer.cli.main import run

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        # Commands import what they need when they are called; one of ours that is missing is a fault, and told as one.
        if error.name is None or error.name.partition(".")[0] in OURS:
            raise
        sys.stderr.write(
            f"artifact-signer: the package {error.name} is missing, the service is an extra\n"
            "hint: pip install 'artifact-signer[service]'\n"
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())

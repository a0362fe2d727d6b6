"""``artifact-signer``: the command line of the service and its administration."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; a missing extra is one sentence, not a traceback."""
    try:
        from signer.cli.main import run
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"artifact-signer: the package {error.name} is missing, the service is an extra\n"
            "hint: pip install 'artifact-signer[service]'\n"
        )
        return 2
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

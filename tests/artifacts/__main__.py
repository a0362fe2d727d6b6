"""`python -m tests.artifacts write`: writes an unsigned artifact where no other tool is installed."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .builder import ArtifactBuilder, file_on_disk
from .compression import Compression

COMPRESSIONS = {compression.name.lower(): compression for compression in Compression}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    partial = options.output.with_name(options.output.name + ".partial")
    try:
        builder = ArtifactBuilder(
            name=options.name,
            device_types=tuple(options.device_type),
            payload_type=options.type,
            files=tuple(file_on_disk(path) for path in options.files),
        ).compressed(COMPRESSIONS[options.compression])
        with partial.open("wb") as out:
            builder.write(out)
        partial.replace(options.output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        print(f"tests.artifacts: {error.filename}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.artifacts")
    write = parser.add_subparsers(required=True).add_parser("write", help="write an unsigned artifact")
    write.add_argument("--name", required=True, help="the artifact's name")
    write.add_argument("--device-type", required=True, action="append", help="a compatible device type")
    write.add_argument("--type", required=True, help="the payload type, that is the update module")
    write.add_argument("--compression", choices=COMPRESSIONS, default="gzip")
    write.add_argument("-o", "--output", required=True, type=Path, metavar="OUT")
    write.add_argument("files", nargs="+", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())

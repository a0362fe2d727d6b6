"""What the commands' exit codes mean. 0: done."""

from __future__ import annotations

REFUSED = 1
USAGE = 2
UNREACHABLE = 3
WAITING = 4
INTERNAL = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130

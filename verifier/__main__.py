"""``python -m verifier`` is ``artifact-verify``."""

import sys

from verifier.cli import main

sys.exit(main())

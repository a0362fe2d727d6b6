"""``python -m verifier`` is ``artifact-verify``."""

import sys

from verifier.command.main import main

sys.exit(main())

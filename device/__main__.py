"""``python -m device`` is ``artifact-device``."""

import sys

from device.command.main import main

sys.exit(main())

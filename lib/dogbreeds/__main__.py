"""Makes `python -m dogbreeds` run the command `dogbreeds`."""

import sys

from dogbreeds.cli import main

sys.exit(main())

"""``python -m elastic_spawner.cli``."""

import sys

from . import main

sys.exit(main())

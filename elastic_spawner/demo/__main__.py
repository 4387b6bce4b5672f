"""``python -m elastic_spawner.demo``"""

import sys

from . import main

sys.exit(main())

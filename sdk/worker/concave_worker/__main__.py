"""`python -m concave_worker`."""

import sys

from concave_worker.cli import main

sys.exit(main())

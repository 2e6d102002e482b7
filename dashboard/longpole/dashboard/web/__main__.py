"""`python -m longpole.dashboard.web`."""

import sys

from longpole.dashboard.web.serve import main

sys.exit(main())

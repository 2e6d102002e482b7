"""`python -m longpole.dashboard.receiver`, which `longpole serve` becomes."""

import sys

from longpole.dashboard.receiver.serve import main

sys.exit(main())

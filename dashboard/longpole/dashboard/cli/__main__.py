"""`python -m longpole.dashboard.cli` is `longpole`."""

from longpole.dashboard.cli.main import main

main(prog_name="longpole")

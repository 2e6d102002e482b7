"""`python -m longpole.dashboard.agent --store URL`: the server, as `longpole mcp` starts it."""

from __future__ import annotations

import argparse

from longpole.dashboard.agent.server import build_server

_arguments = argparse.ArgumentParser()
_arguments.add_argument("--store", required=True)
build_server(_arguments.parse_args().store).run("stdio")

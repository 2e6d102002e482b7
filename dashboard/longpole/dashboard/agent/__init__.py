"""Longpole for coding agents: the questions of the command line as tools of an MCP server."""

"""A strict stand-in for LangSmith's API on the loopback, for tests of what is sent to it."""

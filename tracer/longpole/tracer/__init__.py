"""LangChain callbacks in, OpenTelemetry spans out, each on disk when its callback returns."""

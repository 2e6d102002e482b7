"""`longpole serve`: an OTLP/HTTP receiver into the store, as a process of its own."""

"""Pure functions from a `Run` to what it tells; no database, no clock, no pictures."""

"""The gallery of examples, each played on a store of its own."""

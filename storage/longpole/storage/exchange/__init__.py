"""Runs out of a store and into other tools, and back: formats, wires, ledgers."""

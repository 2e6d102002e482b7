"""Measurements of what claims to be fast; run with `make bench`. Nothing here asserts a timing.

Each bench checks its answers before it times anything, runs its subjects interleaved in processes
of their own, and prints the median with the lowest and highest of the repetitions. The figures
belong to the machine and the moment: compare rows of one run, not runs of different days.
"""

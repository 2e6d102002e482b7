"""The scenes of the demo, one a file; each has a `play` that records one run or several."""

"""Figures about many runs: values of the analysis in, Plotly figures out. Pure."""

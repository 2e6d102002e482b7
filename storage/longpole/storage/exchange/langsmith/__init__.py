"""LangSmith: parcels → its runs → its API, through its own client."""

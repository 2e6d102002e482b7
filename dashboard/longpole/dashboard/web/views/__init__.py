"""One file a page or part of a page; the only folder that draws with Streamlit."""

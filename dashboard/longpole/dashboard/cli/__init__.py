"""The `longpole` command; starts without Streamlit."""

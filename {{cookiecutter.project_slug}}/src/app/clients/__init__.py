"""Calls to others: `http.py` is the one way to get a client."""

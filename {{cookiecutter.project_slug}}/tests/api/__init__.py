"""The assembled service over HTTP."""

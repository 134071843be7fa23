"""The applications that are compared."""

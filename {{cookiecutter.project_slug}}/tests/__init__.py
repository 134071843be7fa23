"""The service's tests: one folder a kind."""

"""The sample feature's tests."""

"""That what measures us can be believed. How fast we are is for `make bench` and `make load` to say, not for a test."""

"""Redis: the one door to it."""

"""Orders: the sample feature. Read `routes.py` first, then follow the calls."""

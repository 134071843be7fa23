"""The service. Read `assembly/application.py` first."""

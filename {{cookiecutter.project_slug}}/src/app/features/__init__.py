"""What the service does: one folder per business noun."""

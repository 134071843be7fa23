"""One thing alone, with nothing running."""

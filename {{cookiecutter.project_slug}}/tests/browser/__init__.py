"""Pages, drawn by a real browser."""

"""The template's own tools; a generated service has its own development folder."""

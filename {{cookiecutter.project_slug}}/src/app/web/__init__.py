"""The HTTP edge: middlewares, problems, dependencies shared by routes."""

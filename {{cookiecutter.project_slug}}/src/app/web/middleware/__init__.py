"""Pure-ASGI middlewares, one a file."""

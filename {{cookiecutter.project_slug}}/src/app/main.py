"""The ASGI entry point: `uvicorn --factory app.main:application`. `app serve` is the usual way."""

from fastapi import FastAPI

from app.assembly.application import create_app
from app.settings import load_settings


def application() -> FastAPI:
    """The service as the environment configures it."""
    return create_app(load_settings())

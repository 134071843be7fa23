"""The assembled application, without anything opened."""

from fastapi import FastAPI

from app.assembly.application import create_app
from tests.support.settings import settings_for


def unopened_app() -> FastAPI:
    """For what can be read off it: routes, the OpenAPI document."""
    return create_app(settings_for(database_url="postgresql://nobody@localhost/never-connected"))

"""The ASGI entry point: `uvicorn --factory app.main:application`. `app serve` is the usual way."""

import sys

from fastapi import FastAPI

from app.assembly.application import create_app
from app.assembly.policies import RoutesRefused
from app.settings import ConfigurationError, load_settings


def application() -> FastAPI:
    """The service as the environment configures it; what its developer can mend is a sentence, not a stack trace."""
    try:
        return create_app(load_settings())
    except (ConfigurationError, RoutesRefused) as error:
        sys.exit(str(error))

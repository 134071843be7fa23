"""`app worker`: does what was enqueued."""

from app.assembly.worker import work
from app.settings import load_settings


def worker() -> None:
    """Do jobs until SIGTERM; metrics and health on MANAGEMENT_PORT. Start as many as you like, each with its port."""
    work(load_settings())

"""`app worker`: does what was enqueued."""


def worker() -> None:
    """Do jobs until SIGTERM; metrics and health on MANAGEMENT_PORT. Start as many as you like, each with its port."""
    from app.assembly.worker import work
    from app.settings import load_settings

    work(load_settings())

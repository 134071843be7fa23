"""The real command line, serving a service where one can pay: `python -m tests.support.paying_service serve`."""

from app import cli
from app.assembly.routes import ROUTERS
from tests.support import payments
from tests.support.switched_off import switch_off_what_is_asked

if __name__ == "__main__":
    switch_off_what_is_asked()
    ROUTERS.append(payments.router)
    cli.main()

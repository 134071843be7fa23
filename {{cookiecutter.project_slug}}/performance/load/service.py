"""The real command line, serving a service that also has routes to measure: `python -m performance.load.service serve`.

They need no feature of the service, so scenarios stay the same whatever it does.
"""

from app import cli
from app.assembly.routes import ROUTERS
from performance.things import router

if __name__ == "__main__":
    ROUTERS.append(router)
    cli.main()

"""Every router of the service. A new feature adds its line here.

Routers carry their own prefix and are included once: nested ones are matched again at every level,
and hide their full path from metrics.
"""

from fastapi import APIRouter

from app.features.orders import routes as orders  # option: example
from app.health import routes as health

ROUTERS: list[APIRouter] = [
    health.router,
    orders.router,  # option: example
]

"""The three questions that orchestrators ask. The public port and the management port both answer them.

- live: is the process able to answer at all? It touches nothing: restarting us would not mend a database.
- ready: should requests be sent here?
- startup: has it been ready once since it started?

Some who watch ask with HEAD, and read nothing but the status.
"""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel

from app.health.report import Health, Report, Status
from app.security.public import public

router = APIRouter(prefix="/health", tags=["health"])


class ComponentView(BaseModel):
    """One dependency."""

    status: Status
    critical: bool
    milliseconds: float
    error: str | None


class HealthView(BaseModel):
    """The service and what it depends on."""

    status: Status
    components: dict[str, ComponentView] = {}


async def get_health(request: Request) -> Health:
    return cast("Health", request.state.health)


CurrentHealth = Annotated[Health, Depends(get_health)]


@router.head("/live", include_in_schema=False)
@router.get("/live", summary="Is the process able to answer?")
@public
async def live(response: Response) -> HealthView:
    """Touches no dependency."""
    response.headers["Cache-Control"] = "no-store"
    return HealthView(status=Status.PASS)


@router.head("/ready", include_in_schema=False)
@router.get("/ready", summary="Should requests be sent here?", responses={503: {"model": HealthView}})
@public
async def ready(health: CurrentHealth, response: Response) -> HealthView:
    """503 when a critical dependency fails, and while the process drains."""
    report = await health.report()
    set_status(response, is_fine=report.is_ready)
    return view(report)


@router.head("/startup", include_in_schema=False)
@router.get("/startup", summary="Has it been ready since it started?", responses={503: {"model": HealthView}})
@public
async def startup(health: CurrentHealth, response: Response) -> HealthView:
    """503 until every critical dependency has been well at the same time once."""
    report = await health.report()
    set_status(response, is_fine=health.has_started)
    return view(report)


def set_status(response: Response, *, is_fine: bool) -> None:
    response.status_code = status.HTTP_200_OK if is_fine else status.HTTP_503_SERVICE_UNAVAILABLE
    response.headers["Cache-Control"] = "no-store"


def view(report: Report) -> HealthView:
    components = {
        item.name: ComponentView(
            status=item.status, critical=item.is_critical, milliseconds=item.milliseconds, error=item.error
        )
        for item in report.components
    }
    return HealthView(status=report.status, components=components)

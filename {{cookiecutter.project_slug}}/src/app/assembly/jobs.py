"""Every kind of job, and every schedule. A new feature adds its lines here."""

from typing import Any

from app.features.orders import jobs as orders  # option: example
from app.jobs.handler import Handler, Schedule
from app.jobs.pruning import PruneJobs, prune_jobs
from app.resources import Resources
from app.web.idempotency.pruning import PruneAnswers, prune_answers

# Any: each handler takes the job it names.
HANDLERS: list[Handler[Any, Resources]] = [
    Handler(PruneJobs, prune_jobs),
    Handler(PruneAnswers, prune_answers),
    Handler(orders.ConfirmOrder, orders.confirm_order),  # option: example
]

SCHEDULES: list[Schedule] = [
    Schedule("17 * * * *", PruneJobs()),
    Schedule("47 * * * *", PruneAnswers()),
]

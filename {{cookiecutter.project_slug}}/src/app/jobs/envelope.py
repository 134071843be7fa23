"""How a job is stored: its own fields, and beside them the context of the request that enqueued it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from app.jobs.job import Job
from app.observability.context import context_to_carry


class Envelope(BaseModel):
    """The arguments of a row in the queue. The library adds a `timestamp` to scheduled ones, which nobody needs."""

    job: dict[str, Any]
    context: dict[str, str]


def pack(job: Job) -> Envelope:
    """The job with what is bound now: whoever reads the job's log finds the request's."""
    return Envelope(job=job.model_dump(mode="json"), context=context_to_carry())


def carried_by(payload: Mapping[str, Any]) -> dict[str, str]:
    """The context that came with a job; nothing, if the payload cannot be read."""
    try:
        return Envelope.model_validate(payload).context
    except ValidationError:
        return {}

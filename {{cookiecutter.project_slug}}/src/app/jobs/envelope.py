"""How a job is stored: its own fields, and beside them the context of the request that enqueued it."""

from typing import Any

from pydantic import BaseModel, ValidationError

from app.jobs.job import Job
from app.observability.context import context_to_carry

# The library sorts jobs into queues. There is one, and every worker takes from all.
QUEUE = "default"


class Envelope(BaseModel):
    """The payload of a row in the queue. `due` tells which time a scheduled job is for, in seconds since 1970."""

    job: dict[str, Any] = {}
    context: dict[str, str] = {}
    due: int | None = None


def pack(job: Job, *, due: int | None = None) -> str:
    """The job with what is bound now: whoever reads the job's log finds the request's."""
    return Envelope(job=job.model_dump(mode="json"), context=context_to_carry(), due=due).model_dump_json()


def unpack(payload: str) -> Envelope:
    """What was packed. Raises pydantic's `ValidationError`."""
    return Envelope.model_validate_json(payload)


def carried_by(payload: str) -> dict[str, str]:
    """The context that came with a job; nothing, if the payload cannot be read."""
    try:
        return unpack(payload).context
    except ValidationError:
        return {}

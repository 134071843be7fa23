"""What a job is: a name and a few small values."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Job(BaseModel):
    """Work to be done later, at least once.

    A subclass says what is to be done in its name and with what in its fields: ids and small values, never
    objects, because they are stored as JSON and shown to operators. Fields may be added with a default;
    jobs that a former release enqueued lack them.
    """

    model_config = ConfigDict(frozen=True)

    name: ClassVar[str]
    """Fixed for ever, such as `reports.send`: jobs wait under it while a deploy renames the class."""

    max_attempts: ClassVar[int] = 10
    """How often it is run before it is given up; a worker that dies in the middle counts as well."""

    time_limit_seconds: ClassVar[float] = 60.0
    """What takes longer has failed."""

"""What procrastinate says itself: only what we do not say better."""

import logging
from typing import Any

# How an attempt ended is told by the recorder, with the job's context and without its arguments.
TOLD_BY_US = {"job_error", "job_error_retry", "job_aborted", "job_aborted_retry"}


def quieten() -> None:
    """Keep the library's warnings and errors, each once."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    # While the database is gone, these two say again and again what the worker says once.
    logging.getLogger("procrastinate.utils").setLevel(logging.CRITICAL)
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    for name in ("procrastinate.worker", "procrastinate.worker.worker"):
        logging.getLogger(name).addFilter(edit)


def edit(record: logging.LogRecord) -> bool:
    """Whether to keep the line. An operator needs the fact and the job, not the stack or the arguments."""
    facts = vars(record)
    job: dict[str, Any] = facts.pop("job", {})
    facts |= {"job_id": job.get("id"), "job": job.get("task_name"), "exc_info": None}
    if facts.get("action") == "task_not_found":
        record.msg = "No handler for this job is listed in assembly/jobs.py: add it, and retry the job."
    return facts.get("action") not in TOLD_BY_US

"""Structured logs: one JSON object a line on stdout, or readable lines on a terminal.

Our own events and the records of other libraries (uvicorn, SQLAlchemy, …) pass through the same
processors, so they have one shape and one redaction. Redaction is a processor and not a filter,
because a filter on a logger is skipped by its child loggers.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.context import add_context
from app.observability.log_output import STDOUT
from app.observability.redaction import redact_field

# The one says the same two lines whenever somebody asks for the schema's revision, the other lists its schedules.
CHATTY = ("alembic.runtime.migration", "procrastinate")

PROCESSORS: list[Processor] = []


def configure_logging(*, level: str, as_json: bool, show_locals: bool) -> None:
    """Send everything that this process logs to stdout.

    `level` is a name of the standard library's. `show_locals` adds the variables of each frame to
    JSON tracebacks, redacted by name; production never asks for it.
    """
    render = json_processors(show_locals=show_locals) if as_json else console_processors(sys.stdout)
    # The same list for ever: loggers that were bound before keep it.
    PROCESSORS[:] = [structlog.processors.add_log_level, *render]
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=(lambda *_: STDOUT) if as_json else structlog.WriteLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    bridge_standard_library(STDOUT if as_json else sys.stdout, level=level, render=render)


def bridge_standard_library(stream: Any, *, level: str, render: list[Processor]) -> None:  # Any: whatever can `write`
    """Give the records of the standard library's loggers the same shape."""
    formatter = ProcessorFormatter(
        foreign_pre_chain=[add_log_level, add_logger_name, ExtraAdder()],
        processors=[ProcessorFormatter.remove_processors_meta, *render[:-1], as_text(render[-1])],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def json_processors(*, show_locals: bool) -> list[Processor]:
    """From an event to the bytes of one JSON object."""
    return [
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=show_locals, max_frames=20)),
        redact_event,
        add_context,
        stamp,
        to_json,
    ]


def console_processors(stream: TextIO) -> list[Processor]:
    """From an event to a line that a person reads."""
    return [
        structlog.processors.format_exc_info,
        redact_event,
        add_context,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        ),
    ]


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor form of `redact`, for what the line says itself: what it belongs to was redacted before."""
    event.pop("color_message", None)  # uvicorn's second copy of the message
    return {key: redact_field(key, value) for key, value in event.items()}


def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The time, as orjson writes it: made into a text before, it would cost more than all the rest of the JSON."""
    event["timestamp"] = datetime.now(UTC)
    return event


def to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    try:
        return orjson.dumps(event, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:  # integers above 64 bits, half a surrogate pair: a log must not fail for them
        return json.dumps(event, default=str).encode()


def as_text(renderer: Processor) -> Processor:
    """The same renderer for the standard library's handlers, which write text and not bytes."""

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        rendered = renderer(logger, method, event)
        return rendered.decode() if isinstance(rendered, bytes) else str(rendered)

    return render

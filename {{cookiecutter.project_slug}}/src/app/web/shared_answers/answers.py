"""An answer that more than one request may get."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from app.core.identity import service_identity
from app.web.kept_answers import NOT_KEPT, answer_again, body_of, headers_of

OK = 200

# Said once, for one request.
FOR_ONE = frozenset({b"set-cookie"})

# Words of `Cache-Control`: nobody may keep it, and nobody but its caller may get it.
NOBODYS = "no-store"
CALLERS_OWN = "private"

# A header as HTTP has it (RFC 9110, section 5), and those that say where one message ends and the next begins.
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
FRAMING = frozenset({"connection", "transfer-encoding", *(name.decode() for name in NOT_KEPT)})


class NotShareable(Exception):
    """An answer for one request only: whoever else asks is answered by itself."""


def checked(header: tuple[str, str]) -> tuple[str, str]:
    """What is in Redis may have been written by anybody. Raises `ValueError`."""
    name, value = header
    if not NAME.fullmatch(name) or name.lower() in FRAMING or not VALUE.fullmatch(value):
        raise ValueError("no header that several answers can have")
    return header


class SharedAnswer(BaseModel):
    """What the route said; what the middlewares add, they add for each request."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    headers: list[Annotated[tuple[str, str], AfterValidator(checked)]]
    body: bytes


def to_share(response: Response, *, varies: frozenset[str], refusals: frozenset[str]) -> SharedAnswer:
    """Raises `NotShareable` for a stream or a file, for what is not 200, and for what depends on more than is known.

    `refusals` are the words of `Cache-Control` that keep it from those among whom it would be shared.
    """
    body = body_of(response)
    if body is None or response.status_code != OK or not is_for_several(response, varies, refusals):
        raise NotShareable
    try:
        return SharedAnswer(headers=headers_of(response), body=body)
    except ValidationError as error:
        raise NotShareable from error


def is_for_several(response: Response, varies: frozenset[str], refusals: frozenset[str]) -> bool:
    if FOR_ONE & {name for name, _ in response.raw_headers} or refusals & words(response, b"cache-control"):
        return False
    return words(response, b"vary") <= varies


def words(response: Response, header: bytes) -> set[str]:
    """Of a header that is a list, in all of its lines: `private` of `Private="x", max-age=60`."""
    lines = [value.decode("latin-1") for name, value in response.raw_headers if name.lower() == header]
    return {item.partition("=")[0].strip().lower() for line in lines for item in line.split(",")} - {""}


def response_of(answer: SharedAnswer, *, is_stale: bool) -> Response:
    """The same again, and a word on where it comes from (RFC 9211)."""
    status = f"{service_identity().name}; hit{'; detail=stale' if is_stale else ''}"
    return answer_again(OK, answer.headers, answer.body, note=("cache-status", status))

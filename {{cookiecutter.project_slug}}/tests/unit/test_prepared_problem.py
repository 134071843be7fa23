"""What was prepared says what would have been made."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from app.core.errors import Unavailable
from app.observability.context import begin_request, forget_context
from app.web.problems import PreparedProblem, problem_of

ERROR = Unavailable('It "rests" \N{EM DASH} a while.', retry_after=7)
PREPARED = PreparedProblem(ERROR)


@given(path=st.text(), request_id=st.text(min_size=1, max_size=40))
def test_it_is_the_same_for_any_path_and_any_id(path: str, request_id: str) -> None:
    begin_request(request_id=request_id, trace_id="")

    prepared, made = PREPARED.response(instance=path), problem_of(ERROR, instance=path)

    forget_context()
    assert parts_of(prepared) == parts_of(made)


def parts_of(answer: Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return answer.status_code, sorted(answer.raw_headers), bytes(answer.body)

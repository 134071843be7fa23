"""Nobody's waiting is left out: what a stalled server did not let us send was to be sent all the same."""

from performance.closed_loop import closed_loop
from performance.load.arrivals import Arrivals, Phase
from performance.load.users import Users
from tests.performance.slow_server import slow_server


async def test_arrivals_do_not_wait_for_a_server_that_does_not_answer() -> None:
    async with slow_server(silent_seconds=0.5) as server:
        [first, second] = await Arrivals(server.target).ask([Phase(200, 0.4), Phase(100, 0.4)])

        early = [answer for answer in first if answer.since < server.answers_from]
        assert len(early) > 40
        assert all(answer.since + answer.seconds >= server.answers_from for answer in early)
        assert {answer.status for answer in [*first, *second]} == {200}


async def test_what_users_waited_is_counted_from_when_they_wanted_to_ask() -> None:
    async with slow_server(silent_seconds=0) as server:
        users = Users(server.target, count=20, think_seconds=0.05)
        await users.arrive()
        server.be_silent(seconds=0.4)
        answers = await users.ask_for(0.6)
        users.leave()

        early = [answer for answer in answers if answer.since < server.answers_from]
        assert len(early) > 0
        assert all(answer.since + answer.seconds >= server.answers_from for answer in early)
        assert {answer.status for answer in answers} == {200}


async def test_a_server_that_hangs_up_has_not_answered() -> None:
    async with slow_server(silent_seconds=0) as server:
        users = Users(server.target, count=3, think_seconds=0.01)
    await users.arrive()
    answers = await users.ask_for(0.2)
    users.leave()

    assert {answer.status for answer in answers} == {0}


async def test_a_closed_loop_asks_again_as_soon_as_it_is_answered() -> None:
    async with slow_server(silent_seconds=0) as server, closed_loop(server.target, connections=4) as loop:
        answers = await loop.run(0.1)

    assert len(answers) > 4
    assert {answer.status for answer in answers} == {200}

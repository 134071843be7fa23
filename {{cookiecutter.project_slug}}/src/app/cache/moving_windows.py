"""Rate limits that all processes share: exact moving windows, counted by Redis.

The windows are those of `limits`' moving-window strategy, a list of time stamps for each key, with three
differences: what several limits allow is taken from all of them or from none; the time is that of Redis, so the
clocks of the processes need not agree; and whatever asks while an earlier question is under way goes with the next
one, so that a busy process asks once for many requests.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context

from app.cache.redis import Redis
from app.core.rates import Bucket, Standing

MICROSECONDS = 1_000_000

# Requests in one question: half a millisecond in which Redis does nothing else.
MOST_AT_ONCE = 200

# ARGV has three numbers for each key: amount, window in microseconds, and how many keys belong together.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer = {}

-- Of what somebody else wrote nothing can be counted, and of what is later than now, since the clock was set
-- back, everybody would have to wait for as long as that.
local function is_time(item)
  return string.find(item, '^%d+$') and tonumber(item) <= now
end

local function begin_anew(key)
  redis.call('DEL', key)
  return now
end

local function oldest_of(i)
  local key, window = KEYS[i], tonumber(ARGV[3 * i - 1])
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return now end
  if kind ~= 'list' or not is_time(redis.call('LINDEX', key, 0)) then return begin_anew(key) end
  local oldest = redis.call('LINDEX', key, -1)
  while oldest do
    if not is_time(oldest) then return begin_anew(key) end
    if tonumber(oldest) > now - window then return tonumber(oldest) end
    redis.call('RPOP', key)
    oldest = redis.call('LINDEX', key, -1)
  end
  return now
end

local first = 1
while first <= #KEYS do
  local last = first + ARGV[3 * first] - 1
  local is_allowed, oldest, used = true, {}, {}
  for i = first, last do
    oldest[i], used[i] = oldest_of(i), redis.call('LLEN', KEYS[i])
    is_allowed = is_allowed and used[i] < tonumber(ARGV[3 * i - 2])
  end
  for i = first, last do
    local amount, window = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
    local is_refused = used[i] >= amount
    if is_allowed then
      used[i] = redis.call('LPUSH', KEYS[i], string.format('%.0f', now))
      redis.call('PEXPIRE', KEYS[i], math.ceil(window / 1000))
    end
    answer[#answer + 1] = math.max(amount - used[i], 0)
    answer[#answer + 1] = oldest[i] + window - now
    answer[#answer + 1] = is_refused and 1 or 0
  end
  first = last + 1
end
return answer
"""


class WindowsUnavailable(Exception):
    """Redis did not count; the message says why."""


Question = tuple[Sequence[Bucket], asyncio.Future[list[Standing]]]


class MovingWindows:
    """Counts what all processes let through."""

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self.prefix = prefix
        self.script = redis.register_script(TAKE)
        self.questions: list[Question] = []
        self.asking: asyncio.Task[None] | None = None

    async def take(self, buckets: Sequence[Bucket]) -> list[Standing]:
        """One from each, or none from any if one of them is empty. Raises `WindowsUnavailable`."""
        answered: asyncio.Future[list[Standing]] = asyncio.get_running_loop().create_future()
        self.questions.append((buckets, answered))
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(self.ask(), context=Context())  # for many requests
        return await answered

    async def ask(self) -> None:
        """Until nobody asks any more. However it ends, nobody who waits for it is made to wait for longer."""
        asked: Sequence[Question] = []
        cause = "the question was cancelled"
        try:
            while self.questions:
                asked, self.questions = self.questions[:MOST_AT_ONCE], self.questions[MOST_AT_ONCE:]
                await self.ask_together(asked)
        except Exception as error:  # noqa: BLE001 - an answer that we cannot read must not leave them waiting either
            cause = f"{type(error).__name__}: {error}"
        finally:
            unanswered, self.questions = [*asked, *self.questions], []
            for _buckets, answered in unanswered:
                if not answered.done():
                    answered.set_exception(WindowsUnavailable(cause))

    async def ask_together(self, asked: Sequence[Question]) -> None:
        buckets = [bucket for group, _answered in asked for bucket in group]
        numbers = [number for group, _answered in asked for number in numbers_of(group)]
        found = iter(await self.script([self.key_of(bucket) for bucket in buckets], numbers))
        for group, answered in asked:
            standings = [standing_of(bucket, next(found), next(found), next(found)) for bucket in group]
            if not answered.done():  # its request was cancelled
                answered.set_result(standings)

    def key_of(self, bucket: Bucket) -> str:
        """A limit that is changed begins anew: its old time stamps may not suffice."""
        return f"{self.prefix}{bucket.limit}:{bucket.rate.amount}/{bucket.rate.seconds}:{bucket.whom}"


def numbers_of(group: Sequence[Bucket]) -> list[int]:
    """What the script is told about buckets that belong together."""
    return [
        number for bucket in group for number in (bucket.rate.amount, bucket.rate.seconds * MICROSECONDS, len(group))
    ]


def standing_of(bucket: Bucket, left: int, microseconds: int, is_refused: int) -> Standing:
    return Standing(bucket, left, microseconds / MICROSECONDS, is_refused=bool(is_refused))

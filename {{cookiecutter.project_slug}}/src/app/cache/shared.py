"""What all processes remember together, in Redis.

An entry names the marks that its tags had before it was loaded. Whoever invalidates a tag takes its mark away, and the
next one to ask gives it a new one that nobody has had before. So an entry is good as long as all its marks are, and a
value that was on its way during an invalidation is not written: neither a lost message nor a slow load brings it back.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from secrets import token_hex

from redis.exceptions import RedisError

from app.cache.redis import Redis
from app.core.errors import Unavailable

# A mark that is gone costs a load, so it stays for longer than almost any value.
MARK_SECONDS = 86_400

# How long an entry is good, in milliseconds; more digits are none of ours.
MILLISECONDS = re.compile(rb"\d{1,15}")

# KEYS: the entry, then its tags. ARGV: a new mark, and for how many milliseconds.
READ = """
-- What is no text was written by somebody else.
local function text_at(key)
  local found = redis.pcall('GET', key)
  if type(found) == 'table' then
    redis.call('DEL', key)
    return false
  end
  return found
end

local answer = {text_at(KEYS[1]), redis.call('PTTL', KEYS[1])}
for i = 2, #KEYS do
  local mark = text_at(KEYS[i])
  if not mark then
    mark = ARGV[1]
    redis.call('SET', KEYS[i], mark, 'PX', ARGV[2])
  end
  answer[i + 1] = mark
end
return answer
"""

# KEYS: the entry, then its tags. ARGV: what to write, for how many milliseconds, then the marks.
WRITE = """
for i = 2, #KEYS do
  if redis.call('GET', KEYS[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS: the lock. ARGV: its holder.
UNLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class NothingShared(Exception):
    """Redis does not answer, or does not do what it was told; the message says why."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Whatever it is: this process goes on by itself."""
    try:
        yield
    except (RedisError, Unavailable, OSError) as error:
        raise NothingShared(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class Reading:
    """What was found: the text and its age, if it is good; and the marks that the tags have now."""

    marks: Mapping[str, bytes]
    text: bytes | None = None
    age: float = 0
    fresh: float = 0


class SharedEntries:
    """Every method raises `NothingShared` when Redis is of no help."""

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self.redis = redis
        self.prefix = prefix
        self.reading = redis.register_script(READ)
        self.writing = redis.register_script(WRITE)
        self.unlocking = redis.register_script(UNLOCK)

    async def read(self, key: str, tags: Collection[str]) -> Reading:
        """Its age is counted by Redis alone: the clocks of the machines need not agree."""
        with redis_errors():
            found, left, *now = await self.reading(self.keys(key, tags), [token_hex(8), MARK_SECONDS * 1000])
        marks = dict(zip(tags, now, strict=True))
        head, _, text = (found or b"").partition(b"\n")
        match head.split(b" "):
            case [fresh, hard, *seen] if seen == now and MILLISECONDS.fullmatch(fresh) and MILLISECONDS.fullmatch(hard):
                return Reading(marks, text, age=(int(hard) - left) / 1000, fresh=int(fresh) / 1000)
        return Reading(marks)

    async def write(self, key: str, text: bytes, *, marks: Mapping[str, bytes], fresh: float, hard: float) -> bool:
        """Whether it was written: not if one of the tags was invalidated since its mark was read."""
        milliseconds = ceil(hard * 1000)
        head = b" ".join([b"%d %d" % (fresh * 1000, milliseconds), *marks.values()])
        written: list[bytes | int] = [head + b"\n" + text, milliseconds, *marks.values()]
        with redis_errors():
            return bool(await self.writing(self.keys(key, marks), written))

    async def lock(self, key: str, holder: str, *, seconds: float) -> bool:
        """Whether nobody else has it. It ends by itself."""
        with redis_errors():
            return bool(await self.redis.set(self.lock_key(key), holder, nx=True, px=ceil(seconds * 1000)))

    async def unlock(self, key: str, holder: str) -> None:
        """Unless it has ended, and is somebody else's by now."""
        with redis_errors():
            await self.unlocking([self.lock_key(key)], [holder])

    async def invalidate(self, tags: Collection[str]) -> None:
        """Whatever carries one of these tags is not good any more, wherever it is or will come from."""
        with redis_errors():
            await self.redis.delete(*map(self.tag_key, tags))

    def keys(self, key: str, tags: Iterable[str]) -> list[str]:
        return [self.prefix + key, *map(self.tag_key, tags)]

    def tag_key(self, tag: str) -> str:
        return f"{self.prefix}tag:{tag}"

    def lock_key(self, key: str) -> str:
        return f"{self.prefix}lock:{key}"

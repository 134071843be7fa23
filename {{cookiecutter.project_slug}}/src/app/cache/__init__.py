"""Two things: the one door to Redis, for whoever needs it (`redis.py`, `guarded_redis.py`, `broadcast.py`, and what is
built on them), and a cache, which uses it (`cache.py`, `kinds.py` and `decorator.py` are what features see of it).
"""

"""How one process protects itself: plain asyncio, usable by everything above."""

"""Every scenario by its name. A new one adds its line here."""

from performance.load.scenario import Scenario
from performance.load.scenarios.connections import Connections
from performance.load.scenarios.crowd import Crowd
from performance.load.scenarios.fairness import Fairness
from performance.load.scenarios.overload import Overload
from performance.load.scenarios.soak import Soak
from performance.things import PLAIN, STORED

SCENARIOS: dict[str, Scenario] = {
    "users": Crowd(PLAIN, p95_ms=5, p99_ms=10),
    "reads": Crowd(STORED, p95_ms=10, p99_ms=25),
    "fairness": Fairness(),
    "overload": Overload(times=1.5, least_goodput_percent=90),
    # Each refusal costs a part of what an answer costs, so more is not to be had: decision 9.
    "spike": Overload(times=3, least_goodput_percent=60),
    "connections": Connections(),
    "soak": Soak(),
}

# All that together take less than four minutes.
USUAL = [name for name in SCENARIOS if name != "soak"]

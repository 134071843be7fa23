"""Runs one scenario against a service of its own, and watches that it is the service that is measured."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

import uvloop

from performance.load.outcome import Findings
from performance.load.scenario import Scenario, Service, Size
from performance.machine import pin_apart
from performance.servers import Program, module, running

# Of a core. A client that is busier than this delays its own requests, and then they count as late.
MOST_BUSY = 0.7


@contextmanager
def serving(variables: Mapping[str, str], *, key: str, folder: Path) -> Iterator[Service]:
    """`app serve`, with routes to measure, on a core of its own where there are two."""
    program = Program("app serve", module("performance.load.service", "serve"), variables)
    with running([program], folder) as (process,):
        pin_apart([process.pid])
        yield Service(process, key)


def under_load(scenario: Scenario, service: Service, size: Size) -> Findings:
    """What the scenario finds, with a remark if this process was too busy to be believed."""
    began, used = perf_counter(), process_time()
    # Collecting garbage would stop all users at once; what they leave behind is small.
    gc.disable()
    try:
        findings = uvloop.run(scenario.run(service, size))
    finally:
        gc.enable()
    busy = (process_time() - used) / (perf_counter() - began)
    if busy > MOST_BUSY:
        findings.remarks.append(f"the client was busy for {busy:.0%} of the time: what it measured is partly itself")
    return findings

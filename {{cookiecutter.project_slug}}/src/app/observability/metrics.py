"""What the service counts, for Prometheus. One registry per application, none global."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from app.observability.request_counts import LATENCY_BUCKETS, RequestCounts

# Seconds. Jobs may take minutes.
JOB_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Every metric of the service, by name. What one part of it counts stands together below."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self.requests = RequestCounts()
        self.registry.register(self.requests)
        self.requests_unreadable = Counter(
            "http_requests_unreadable", "Requests refused before they were ones.", registry=self.registry
        )
        self.requests_shed = Counter(
            "http_requests_shed", "Requests turned away under overload.", ("priority",), registry=self.registry
        )
        self.concurrency_limit = Gauge(
            "http_concurrency_limit", "Requests that may be worked on at once.", registry=self.registry
        )
        self.concurrency_in_flight = Gauge(
            "http_concurrency_in_flight", "Requests whose answers have not begun.", registry=self.registry
        )
        self.concurrency_waiting = Gauge(
            "http_concurrency_waiting", "Requests in line to be worked on.", registry=self.registry
        )
        self.callers = CallerMetrics(self.registry)
        self.database = DatabaseMetrics(self.registry)
        self.cache = CacheMetrics(self.registry)
        self.circuits = CircuitMetrics(self.registry)
        self.log_lines_dropped = Counter(
            "log_lines_dropped", "Lines that standard output did not take in time.", registry=self.registry
        )
        self.component_up = Gauge(
            "health_component_up", "1 while the dependency's check passes.", ("component",), registry=self.registry
        )
        self.business_events = Counter(
            "business_events", "What happened, in the words of the business.", ("event",), registry=self.registry
        )

    def count_event(self, event: str) -> None:
        """One more of what the business calls by this name; the names stand in the code, so there are few."""
        self.business_events.labels(event).inc()

    def expose(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


def new_registry() -> CollectorRegistry:
    """One that knows of the process already."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each; no query needs it
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


class CallerMetrics:
    """What is counted of those who call, and of their limits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refusals = Counter("caller_refusals", "Callers turned away, by reason.", ("reason",), registry=registry)
        self.rate_limited = Counter(
            "rate_limited", "Requests turned away by a rate limit, by which.", ("limit",), registry=registry
        )
        self.limits_local = Gauge(
            "rate_limits_local", "1 while this process counts alone, because Redis does not.", registry=registry
        )


class DatabaseMetrics:
    """What is seen of the pool."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge("database_pool_connections", "Connections by state.", ("state",), registry=registry)
        self.waiting = Gauge("database_pool_waiting", "Callers that wait for a connection.", registry=registry)


class CacheMetrics:
    """What is counted of what is remembered, and whether this process hears of changes to it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "cache_calls", "Values asked for: hit, stale, miss, failed.", ("kind", "outcome"), registry=registry
        )
        self.loads = Counter(
            "cache_loads",
            "Values that no memory had, by where they were found.",
            ("kind", "source"),
            registry=registry,
        )
        self.redis_failures = Counter(
            "cache_redis_failures", "Values looked for without Redis, because it failed.", registry=registry
        )
        self.bytes = Gauge("cache_bytes", "Size of the values in this process' memory.", registry=registry)
        self.broadcast_heard = Gauge(
            "broadcast_heard", "1 while this process hears what others tell through Redis.", registry=registry
        )


class CircuitMetrics:
    """What is seen of circuits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.state = Gauge(
            "circuit_state", "1 for the state in which a circuit is.", ("circuit", "state"), registry=registry
        )
        self.openings = Counter(
            "circuit_openings", "Circuits that opened, by why.", ("circuit", "cause"), registry=registry
        )


class PartnerMetrics:
    """What is counted of calls to others."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "partner_calls", "Calls to partners, by how they ended.", ("partner", "outcome"), registry=registry
        )
        self.seconds = Histogram(
            "partner_call_duration_seconds",
            "Time that one call took, all its attempts included.",
            ("partner",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.retries = Counter("partner_retries", "Attempts beyond the first.", ("partner",), registry=registry)
        self.fallbacks = Counter(
            "partner_fallbacks",
            "Calls whose failure was made up for, by what it was.",
            ("partner", "outcome"),
            registry=registry,
        )
        self.in_flight = Gauge("partner_calls_in_flight", "Calls under way.", ("partner",), registry=registry)


class JobMetrics:
    """What a worker counts. Only a worker has these: an API process that showed an empty queue would lie."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.finished = Counter(
            "jobs_finished", "Attempts at jobs, by how they ended.", ("job", "outcome"), registry=registry
        )
        self.seconds = Histogram(
            "job_duration_seconds", "Time that one attempt took.", ("job",), registry=registry, buckets=JOB_BUCKETS
        )
        self.running = Gauge("jobs_running", "Jobs that this worker runs now.", registry=registry)
        self.rescued = Counter("jobs_rescued", "Jobs taken over from lost workers.", registry=registry)
        self.waiting = Gauge("jobs_waiting", "Jobs that are due; counting stops at 10000.", registry=registry)
        self.retrying = Gauge(
            "jobs_retrying", "Jobs that wait for another attempt; counting stops at 10000.", registry=registry
        )
        self.oldest = Gauge(
            "jobs_oldest_waiting_seconds", "For how long the job that is next in line has been due.", registry=registry
        )
        self.failed = Gauge(
            "jobs_failed", "Jobs that were given up; an operator retries or cancels them.", registry=registry
        )

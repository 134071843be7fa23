"""Reads the operators' port as Prometheus does."""

import re
from dataclasses import dataclass

import httpx2
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from app.observability.metrics import JobMetrics, Metrics, PartnerMetrics


@dataclass(frozen=True)
class Scrape:
    """What one scrape found."""

    samples: list[Sample]

    def value(self, name: str, **labels: str) -> float:
        """The one sample with these labels; 0 if there is none yet."""
        found = [sample.value for sample in self.samples if sample.name == name and sample.labels == labels]
        assert len(found) <= 1
        return found[0] if found else 0.0

    def labels(self, name: str, label: str) -> set[str]:
        """Every value that a label has."""
        return {sample.labels[label] for sample in self.samples if sample.name == name}


def exported_names() -> set[str]:
    """Every metric that a service or a worker exports, as Prometheus knows it."""
    metrics = Metrics()
    for more in (JobMetrics, PartnerMetrics):
        more(metrics.registry)
    return set(re.findall(r"^# TYPE (\S+)", generate_latest(metrics.registry).decode(), re.MULTILINE))


async def scrape(management: httpx2.AsyncClient) -> Scrape:
    """Everything on `/metrics`."""
    response = await management.get("/metrics")
    assert response.status_code == 200
    return read(response.text)


def read(text: str) -> Scrape:
    """What one answer holds."""
    families = text_string_to_metric_families(text)
    return Scrape([sample for family in families for sample in family.samples])

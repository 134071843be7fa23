"""What the docs promise about faults is shown by tests and metrics that exist."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.metrics import exported_names

ROOT = Path(__file__).parents[2]

# | it is | what happens | what callers see | `metric`, … | `test`, … |
ROW = re.compile(r"^\| (?P<state>[^|]+) \| [^|]+ \| [^|]+ \| (?P<metrics>[^|]+) \| (?P<tests>[^|]+) \|", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Promise:
    """One row of a table."""

    state: str
    metrics: list[str]
    tests: list[str]


def promises() -> list[Promise]:
    page = (ROOT / "docs/degradation.md").read_text(encoding="utf-8").partition("## Measured")[0]
    rows = [row for row in ROW.finditer(page) if row["metrics"] not in {"metric", "---"}]
    return [Promise(row["state"], NAME.findall(row["metrics"]), NAME.findall(row["tests"])) for row in rows]


PROMISES = promises()


def test_each_promise_names_a_metric_and_a_test() -> None:
    assert len(PROMISES) > 20
    assert [promise.state for promise in PROMISES if not (promise.metrics and promise.tests)] == []


def test_every_metric_is_exported() -> None:
    named = {metric for promise in PROMISES for metric in promise.metrics}

    assert named - exported_names() == set()


@pytest.mark.parametrize("test", sorted({test for promise in PROMISES for test in promise.tests}))
def test_every_test_is_there(test: str) -> None:
    file, _, name = test.partition("::")

    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))

    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in functions

"""Every feature that the docs name is alive: switched off, its own test fails, and fails on an assertion."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.switches import SWITCHES
from tests.support.warm_process import run_pytest

ROOT = Path(__file__).parents[2]

# | what it does | `file` | `switch` | `test` |
ROW = re.compile(
    r"^\| (?P<name>[^|]+) \| `(?P<file>[^`]+)` \| `(?P<switch>[^`]+)` \| `(?P<test>[^`]+)` \|", re.MULTILINE
)


@dataclass(frozen=True)
class Feature:
    """One row of the table."""

    name: str
    file: str
    switch: str
    test: str


FEATURES = [Feature(**row.groupdict()) for row in ROW.finditer((ROOT / "docs/features.md").read_text(encoding="utf-8"))]


def test_every_switch_belongs_to_a_feature_in_the_docs() -> None:
    assert {feature.switch for feature in FEATURES} == SWITCHES.keys()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.switch)
def test_the_feature_lives_where_the_docs_say(feature: Feature) -> None:
    assert (ROOT / "src/app" / feature.file).is_file()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.switch)
def test_switched_off_it_is_missed(feature: Feature, tmp_path: Path) -> None:
    report, output = tmp_path / "report.xml", tmp_path / "output.txt"

    exit_code = run_its_test(feature, report, output)

    said = output.read_text(encoding="utf-8")
    assert exit_code == pytest.ExitCode.TESTS_FAILED, said
    assert report.exists(), said
    suite = ElementTree.parse(report).getroot()[0]  # noqa: S314 - pytest wrote it
    messages = [failure.get("message", "") for failure in suite.iter("failure")]
    assert suite.get("errors") == "0", said
    assert messages
    assert all(re.match(r"(AssertionError|assert|Failed: DID NOT RAISE)", message) for message in messages), messages


def run_its_test(feature: Feature, report: Path, output: Path) -> int | None:
    """In a process of its own, on the servers that are running anyway."""
    environment = {
        "SWITCHED_OFF": feature.switch,
        "DATABASE_URL": os.environ["TEST_DATABASE_URL"],
        "REDIS_URL": os.environ["TEST_REDIS_URL"],
    }
    options = ["--exitfirst", f"--rootdir={ROOT}", f"--junitxml={report}", "-ptests.support.switched_off"]
    unneeded = [f"-pno:{name}" for name in ("xdist", "cov", "randomly", "schemathesis")]
    test = str(ROOT / feature.test)
    return run_pytest(*options, *unneeded, test, output=output, environment=environment, seconds=280)

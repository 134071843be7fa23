"""The document is filled in from the numbers."""

from pathlib import Path

import pytest

from performance.document import NothingMeasured, document
from performance.load.outcome import Findings
from performance.load.outcome import Report as LoadReport
from performance.verdict import Verdict
from tests.performance.results import report, result

TEMPLATE = "Before\n<!-- bench -->\nold\n<!-- end of bench -->\nbetween\n<!-- load -->\n<!-- end of load -->\nafter\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "performance.md"
    file.write_text(TEMPLATE)
    return file


def test_results_take_the_place_of_older_ones_and_leave_the_rest(tmp_path: Path, page: Path) -> None:
    measured = report(result("theirs", ratio=1), result("ours", ratio=1.5))
    (tmp_path / "bench.json").write_text(measured.model_dump_json())
    verdict = Verdict(what="p95", measured=7, threshold=5, unit="ms")
    borne = LoadReport(machine="a machine", findings={"users": Findings(requests=9, verdicts=[verdict])})
    (tmp_path / "load.json").write_text(borne.model_dump_json())

    document(tmp_path, page)
    document(tmp_path, page)

    text = page.read_text()
    assert "old" not in text
    assert text.count("| ours") == 1
    assert text.count("| users    |  p95 |     7 ms | ≤ 5 ms | **missed** |") == 1
    assert text.startswith("Before\n<!-- bench -->")
    assert text.endswith("<!-- end of load -->\nafter\n")
    assert (tmp_path / "performance.svg").exists()


def test_without_results_it_says_what_to_do(tmp_path: Path, page: Path) -> None:
    with pytest.raises(NothingMeasured, match="run make bench or make load first"):
        document(tmp_path, page)

    assert page.read_text() == TEMPLATE

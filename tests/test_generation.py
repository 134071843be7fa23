"""Every combination of answers gives a clean, well-formed service that says who it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from development.bake import ROOT, Answers, bake
from hooks import post_gen_project
from tests.conftest import Bake
from tests.support.answers import LICENCES, NASTY, every_combination, label
from tests.support.markdown import as_text
from tests.support.templates import template_with_leftovers, template_with_probe
from tests.support.text_files import broken_links, text_files

COMBINATIONS = pytest.mark.parametrize("answers", every_combination(), ids=label)
PARSERS: dict[str, Callable[[str], object]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}


@COMBINATIONS
def test_nothing_of_the_template_is_left_over(baked: Bake, answers: Answers) -> None:
    service = baked(answers)

    left = [
        name
        for name, text in text_files(service)
        if "{{ cookiecutter" in text or post_gen_project.TAG.search(text.encode())
    ]
    assert left == []
    assert not (service / post_gen_project.MANIFEST).exists()
    assert not (service / post_gen_project.LICENCES).exists()


@COMBINATIONS
def test_every_data_file_parses(baked: Bake, answers: Answers) -> None:
    service = baked(answers)

    found = {name: text for name, text in text_files(service) if Path(name).suffix in PARSERS}
    for name, text in found.items():
        assert PARSERS[Path(name).suffix](text), name
    assert {"pyproject.toml", "compose.yaml", ".prodready.json"} <= found.keys()


@COMBINATIONS
def test_the_code_is_linted_and_formatted(baked: Bake, answers: Answers) -> None:
    service = baked(answers)

    for command in (["check", "--output-format=concise"], ["format", "--check"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=service,
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=60,
        )
        assert result.returncode == 0, result.stdout + result.stderr


@COMBINATIONS
def test_no_folder_is_empty(baked: Bake, answers: Answers) -> None:
    service = baked(answers)

    assert [path for path in service.rglob("*") if path.is_dir() and not any(path.iterdir())] == []


@COMBINATIONS
def test_every_link_in_its_documents_resolves(baked: Bake, answers: Answers) -> None:
    service = baked(answers)

    assert [link for document in service.rglob("*.md") for link in broken_links(document, top=service)] == []


@COMBINATIONS
def test_text_files_end_their_lines_alike_on_every_system(baked: Bake, answers: Answers) -> None:
    service = baked(answers)

    assert [name for name, text in text_files(service) if "\r\n" in text and "/assets/" not in name] == []


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_names_the_owner_and_the_year(baked: Bake, licence: str) -> None:
    service = baked({"license": licence, "include_example": True})

    text = (service / "LICENSE").read_text(encoding="utf-8")
    assert re.search(r"Copyright (\(c\) )?2026 Example Team$", text, re.MULTILINE)


def test_the_answers_and_the_version_are_recorded(baked: Bake) -> None:
    record = json.loads((baked(NASTY) / ".prodready.json").read_text(encoding="utf-8"))

    questions = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    assert list(record["answers"]) == sorted(name for name in questions if not name.startswith("_"))
    assert NASTY.items() <= record["answers"].items()
    assert record["template_version"] == questions["_template_version"]


def test_quotes_and_unicode_survive_into_every_format(baked: Bake) -> None:
    service = baked(NASTY)

    identity = tomllib.loads((service / "src/app/identity.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert identity == {
        "name": NASTY["project_slug"],
        "title": NASTY["project_name"],
        "description": NASTY["description"],
        "owner_name": NASTY["owner_name"],
    }
    assert project["description"] == NASTY["description"]
    assert f"2026 {NASTY['owner_name']}\n" in (service / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("question", "value"), [("project_name", "name"), ("description", "description"), ("owner_name", "owner_name")]
)
def test_escaped_values_mean_the_answer_in_every_language(
    template: Path, tmp_path: Path, question: str, value: str
) -> None:
    answer = str(NASTY[question])
    probe = template_with_probe(template, tmp_path / "probe", value=value)

    text = (bake(probe, tmp_path, answers=NASTY) / "probe.txt").read_text(encoding="utf-8")

    quoted, markdown = text.splitlines()
    assert tomllib.loads(f"v = {quoted}") == {"v": answer}
    assert json.loads(quoted) == answer
    assert yaml.safe_load(quoted) == answer
    assert as_text(markdown) == answer


def test_generation_is_deterministic(template: Path, tmp_path: Path) -> None:
    one, other = (bake(template, tmp_path / name, answers={}) for name in ("one", "other"))

    assert contents(one) == contents(other)


def test_what_a_used_template_holds_is_not_passed_on(template: Path, tmp_path: Path) -> None:
    clean = contents(bake(template, tmp_path / "clean", answers={}))
    used = template_with_leftovers(template, tmp_path / "used")

    service = bake(used, tmp_path / "baked", answers={})

    assert contents(service) == clean


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file holds."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

"""Good answers generate; bad ones are refused with a sentence and leave nothing behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from development.bake import ROOT, Answers, bake
from tests.support.answers import NASTY
from tests.support.commands import run_cookiecutter

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
NESTED = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that a running hook started in")
PUBLIC = [name for name in QUESTIONS if not name.startswith("_")]


def test_there_are_no_more_than_ten_questions() -> None:
    assert len(PUBLIC) <= 10


def test_every_question_is_asked_in_words() -> None:
    prompts = QUESTIONS["__prompts__"]

    assert list(prompts) == PUBLIC
    assert list(prompts["license"]) == ["__prompt__", *QUESTIONS["license"]]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("Crème Brûlée", "creme-brulee"),
        ("3D Shop", "d-shop"),
        ("Go", "go-service"),
        ("注文", "zhu-wen"),
        ("🚲", "my-service"),
        ("A name that is much longer than any DNS label may be", "a-name-that-is-much-longer-than-any-dns"),
        (str(NASTY["project_name"]), "o-brien-cafe-b-home"),
    ],
)
def test_the_slug_is_derived_from_the_name(template: Path, tmp_path: Path, name: str, slug: str) -> None:
    service = bake(template, tmp_path, answers={"project_name": name})

    assert service.name == slug


def test_nothing_but_the_service_is_made(template: Path, tmp_path: Path) -> None:
    before = {path for path in template.rglob("*") if path.name != "__pycache__"}

    bake(template, tmp_path, answers={})

    assert [path.name for path in tmp_path.iterdir()] == ["my-service"]
    assert {path for path in template.rglob("*") if path.name != "__pycache__"} == before


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("project_name=", "The project name is empty: write one line of plain text such as"),
        ("project_name=   ", "The project name is empty: write one line of plain text such as"),
        ("project_name=two\nlines", "The project name holds a line break or a control character: write"),
        ("project_name=" + "x" * 81, "The project name has 81 characters, and 80 is the limit: write a shorter one."),
        pytest.param("project_slug=a/b", "The project slug 'a/b' can't name a folder", marks=NESTED),
        pytest.param("project_slug=a/b/c", "The project slug 'a/b/c' can't name a folder", marks=NESTED),
        ("project_slug=../x", "The project slug '../x' can't name a folder"),
        ("project_slug=My Service", 'a letter first and no dash last, such as "my-service".'),
        ("project_slug=double--dash", 'a letter first and no dash last, such as "double-dash".'),
        ("description=bell\a", "The description holds a line break or a control character: write"),
        ("owner_name=", "The owner name is empty: write one line of plain text such as"),
        ("owner_email=nobody", "The owner's e-mail 'nobody' isn't an address: write one such as"),
        ("copyright_year=26", "The copyright year '26' isn't a year: write four digits such as"),
    ],
)
def test_a_bad_answer_is_refused_and_leaves_nothing(template: Path, tmp_path: Path, answer: str, sentence: str) -> None:
    output = tmp_path / "output"
    output.mkdir()

    result = run_cookiecutter(template, answer, output=output)

    assert result.returncode == 1
    assert sentence in result.stderr.splitlines()[0]
    folders = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_dir()]
    assert [folder for folder in folders if "home" not in folder.parts] == [Path("output")]


def test_all_bad_answers_are_listed_at_once(template: Path, tmp_path: Path) -> None:
    result = run_cookiecutter(template, "project_name=", "owner_email=x", "copyright_year=x", output=tmp_path)

    first, second, third, last = result.stderr.splitlines()[:4]
    assert first.startswith("The project name")
    assert second.startswith("The owner's e-mail")
    assert third.startswith("The copyright year")
    assert last == "Nothing was generated. Please run the command again."


def test_generating_over_a_used_service_is_refused_and_keeps_its_data(template: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "my-service" / ".env"
    secrets.parent.mkdir()
    secrets.write_text("SECRET_KEY=mine\n", encoding="utf-8")

    result = run_cookiecutter(template, "--overwrite-if-exists", output=tmp_path)

    assert result.returncode == 1
    assert "generate into a new folder, so that no data is lost." in result.stderr.splitlines()[0]
    assert secrets.read_text(encoding="utf-8") == "SECRET_KEY=mine\n"


@pytest.mark.parametrize("answers", [{"license": "GPL"}, {"include_example": "perhaps"}], ids=["licence", "example"])
def test_a_choice_that_does_not_exist_is_refused(template: Path, tmp_path: Path, answers: Answers) -> None:
    with pytest.raises(ValueError, match="provided for"):
        bake(template, tmp_path, answers=answers)

    assert list(tmp_path.iterdir()) == []

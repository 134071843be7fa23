"""The hooks' own functions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hooks import post_gen_project, pre_gen_project

GOOD = {
    "project_name": "My Service",
    "project_slug": "my-service",
    "description": "It serves.",
    "owner_name": "Example Team",
    "owner_email": "team@example.com",
    "copyright_year": "2026",
}


def test_good_answers_have_no_problem() -> None:
    assert pre_gen_project.find_problems(GOOD) == []


@pytest.mark.parametrize("slug", ["abc", "a-b", "a1b2", "a" * 40, "with-single-dashes-9"])
def test_a_dns_label_is_a_slug(slug: str) -> None:
    assert pre_gen_project.check_slug(slug) == ""


@pytest.mark.parametrize(
    ("slug", "suggestion"),
    [
        ("", "my-service"),
        ("ab", "my-service"),
        ("a" * 41, "a" * 40),
        ("-abc", "abc"),
        ("abc-", "abc"),
        ("1abc", "abc"),
        ("a--b", "a-b"),
        ("Shop", "shop"),
        ("a_b", "a-b"),
        ("café", "caf"),
        ("a.b", "a-b"),
        ("abc\n", "abc"),
        ("../../etc", "etc"),
        ("C:\\temp", "c-temp"),
    ],
)
def test_anything_else_is_not_a_slug_and_a_good_one_is_suggested(slug: str, suggestion: str) -> None:
    assert pre_gen_project.check_slug(slug).endswith(f'such as "{suggestion}".')
    assert pre_gen_project.check_slug(suggestion) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("a\nb", "line break or a control character"),
        ("a\rb", "line break or a control character"),
        ("a\u2028b", "line break or a control character"),
        ("a\x00b", "line break or a control character"),
        ("a\x7fb", "line break or a control character"),
        ("a\ud800b", "line break or a control character"),
        (" a", "begins or ends with a space"),
        ("a ", "begins or ends with a space"),
        ("a {" + "{ b", "means template code"),
        ("a {" + "% b", "means template code"),
        ("a {" + "# b", "means template code"),
        ("a" * 11, "has 11 characters, and 10 is the limit"),
    ],
)
def test_a_text_that_files_cannot_hold_is_refused(text: str, problem: str) -> None:
    assert problem in pre_gen_project.check_text("description", text, limit=10, example="x")


@pytest.mark.parametrize("text", ["O'Brien", '"café"', "<b> $HOME", "\\\\", "🚲 注文", "{a}", "می‌خواهم"])
def test_any_other_text_is_accepted(text: str) -> None:
    assert pre_gen_project.check_text("description", text, limit=80, example="x") == ""


@pytest.mark.parametrize("address", ["a@b.co", "first.last+tag@mail.example.com", "o'brien@example.com"])
def test_an_address_is_accepted(address: str) -> None:
    assert pre_gen_project.check_email(address) == ""


@pytest.mark.parametrize("address", ["", "a", "a@b", "@b.co", "a b@c.de", "a@b.co\n", "a@b..co", '"a"@b.co'])
def test_anything_else_is_not_an_address(address: str) -> None:
    assert "isn't an address: write one such as" in pre_gen_project.check_email(address)


@pytest.mark.parametrize("year", ["", "26", "20260", "MMXX", "\uff12\uff10\uff12\uff16", "2026\n"])
def test_a_year_has_four_digits(year: str) -> None:
    assert pre_gen_project.check_year("2026") == ""
    assert "write four digits" in pre_gen_project.check_year(year)


def test_folders_of_a_nested_slug_are_removed_up_to_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = tmp_path / "a" / "b"
    nested.mkdir(parents=True)
    monkeypatch.chdir(nested)

    pre_gen_project.remove_nested_folders(os.path.realpath(nested), output=str(tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_folders_that_hold_something_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = tmp_path / "a" / "b"
    nested.mkdir(parents=True)
    (tmp_path / "a" / "mine.txt").touch()
    monkeypatch.chdir(nested)

    pre_gen_project.remove_nested_folders(os.path.realpath(nested), output=str(tmp_path))

    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("place", ["output/x", "x"])
def test_a_folder_that_cookiecutter_removes_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "output").mkdir()
    folder = tmp_path / place
    folder.mkdir()
    monkeypatch.chdir(folder)

    pre_gen_project.remove_nested_folders(os.path.realpath(folder), output=str(tmp_path / "output"))

    assert folder.exists()


TAGGED = b"""first
second  # option: example
third <!-- option: example -->
# option: other
fourth  # option: other\r
a note on # option: example in the middle
"""


def test_tags_of_a_chosen_option_are_dropped_and_lines_of_the_others() -> None:
    assert post_gen_project.apply_tags(TAGGED, {"example"}) == (
        b"first\nsecond\nthird\na note on # option: example in the middle\n"
    )


def test_lines_of_a_declined_option_are_dropped() -> None:
    assert post_gen_project.apply_tags(TAGGED, set()) == b"first\na note on # option: example in the middle\n"


def test_line_endings_stay() -> None:
    assert post_gen_project.apply_tags(b"a  # option: example\r\nb\r\n", {"example"}) == b"a\r\nb\r\n"


def test_paths_of_a_declined_option_are_deleted(tmp_path: Path) -> None:
    manifest = {
        "one": {"answer": "include_one", "paths": ["one", "one.txt"]},
        "two": {"answer": "include_two", "paths": ["two"]},
    }
    (tmp_path / ".prodready-options.json").write_text(json.dumps(manifest), encoding="utf-8")
    for name in ("one", "two"):
        (tmp_path / name / "inner").mkdir(parents=True)
    (tmp_path / "one.txt").touch()

    post_gen_project.apply_options(tmp_path, {"include_one": False, "include_two": True})

    assert sorted(path.name for path in tmp_path.iterdir()) == ["two"]


def test_a_link_is_removed_without_what_it_leads_to(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    service = tmp_path / "service"
    service.mkdir()
    elsewhere.mkdir()
    try:
        (service / ".venv").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("this system lets only administrators make links")

    post_gen_project.remove_leftovers(service)

    assert list(service.iterdir()) == []
    assert elsewhere.exists()


def test_the_record_holds_the_public_answers_only(tmp_path: Path) -> None:
    answers = {"project_name": "Café", "include_example": True, "_template_version": "1.2.3", "_output_dir": "/home/me"}

    post_gen_project.record_answers(tmp_path, answers)

    assert (tmp_path / ".prodready.json").read_bytes().decode() == (
        '{\n  "answers": {\n    "include_example": true,\n    "project_name": "Café"\n  },\n'
        '  "template": "prodready",\n  "template_version": "1.2.3"\n}\n'
    )

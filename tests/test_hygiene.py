"""Whoever reads the template reads a project: what its files may and must not hold, before any generation."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from development.bake import ROOT, SERVICE, list_files
from hooks import post_gen_project
from tests.support.text_files import JINJA, broken_links, read_text

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
MANIFEST = json.loads((ROOT / SERVICE / post_gen_project.MANIFEST).read_text(encoding="utf-8"))
HOOKS = sorted((ROOT / "hooks").glob("*_gen_project.py"))

# The only files that cookiecutter renders to something else than they are: who the service is, in data and in words.
RENDERED = ("README.md", "compose.yaml", "licences/*.txt", "pyproject.toml", "src/app/identity.toml")

# Answers that pre_gen_project has checked to be harmless anywhere, and those that were escaped.
SAFE = re.compile(r"\{\{ cookiecutter\.(project_slug|license|copyright_year|__\w+) \}\}")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')

SERVICE_FILES = {path.relative_to(SERVICE).as_posix(): ROOT / path for path in list_files(ROOT, (SERVICE,))}


def is_copied_unrendered(name: str) -> bool:
    """Say whether cookiecutter copies the file, or one of its folders, as it stands."""
    places = [name, *(folder.as_posix() for folder in Path(name).parents)]
    return any(fnmatch(place, pattern) for place in places for pattern in QUESTIONS["_copy_without_render"])


def is_rendered(name: str) -> bool:
    """Say whether the file is on the list of those that may hold answers."""
    return any(fnmatch(name, pattern) for pattern in RENDERED)


def texts(*suffixes: str) -> dict[str, str]:
    """Return the service's text files, all or those with one of the suffixes."""
    found = {name: read_text(path) for name, path in SERVICE_FILES.items() if path.suffix in suffixes or not suffixes}
    return {name: text for name, text in found.items() if text is not None}


def test_every_file_is_listed_copied_or_free_of_jinja() -> None:
    unexpected = [
        name
        for name, text in texts().items()
        if any(mark in text for mark in JINJA) and not is_rendered(name) and not is_copied_unrendered(name)
    ]
    assert unexpected == [], "list the file in RENDERED, or copy it unrendered through cookiecutter.json"


def test_no_python_file_holds_jinja() -> None:
    assert [name for name, text in texts(".py").items() if re.search(r"\{\{ ?cookiecutter|\{%", text)] == []


def test_no_file_name_holds_jinja() -> None:
    assert [name for name in SERVICE_FILES if any(mark in name for mark in JINJA)] == []


def test_every_listed_file_exists_and_is_rendered() -> None:
    for pattern in RENDERED:
        matching = [name for name in SERVICE_FILES if fnmatch(name, pattern)]
        assert matching, f"{pattern} matches nothing: remove it from RENDERED"
        assert not any(is_copied_unrendered(name) for name in matching)
        assert all("{{ cookiecutter." in texts()[name] for name in matching), f"{pattern} needs no rendering"


def test_answers_stand_in_files_only_through_safe_values() -> None:
    for name, text in texts().items():
        if is_rendered(name) and not name.startswith("licences/"):
            rest = SAFE.sub("", text)
            assert not any(mark in rest for mark in JINJA), f"{name} holds more than escaped values"


def test_answers_in_data_files_stand_inside_double_quotes() -> None:
    for name, text in texts(".toml", ".yaml", ".yml").items():
        if is_rendered(name):
            assert "cookiecutter." not in QUOTED.sub('""', text), name


def test_every_private_value_is_used() -> None:
    everything = "".join(texts().values()) + json.dumps(QUESTIONS)
    unused = [
        name
        for name in QUESTIONS
        if name.startswith("__") and name != "__prompts__" and f"cookiecutter.{name}" not in everything
    ]
    assert unused == []


@pytest.mark.parametrize("pattern", post_gen_project.LEFT_AT_THE_TOP + post_gen_project.LEFT_ANYWHERE)
def test_what_the_hook_removes_is_never_rendered(pattern: str) -> None:
    assert is_copied_unrendered(example_of(pattern))


@pytest.mark.parametrize("pattern", post_gen_project.LEFT_ANYWHERE)
def test_what_the_hook_removes_anywhere_is_never_rendered(pattern: str) -> None:
    assert is_copied_unrendered(f"deep/down/{example_of(pattern)}")


def test_what_the_service_ignores_is_not_passed_on() -> None:
    ignored = [line for line in texts()[".gitignore"].splitlines() if line and line[0] not in "#!"]

    assert ignored
    for line in ignored:
        name, is_top = example_of(line.strip("/")), line.startswith("/")
        assert post_gen_project.is_leftover(name, is_top=is_top), f"{line}: name it in post_gen_project.py"


def example_of(pattern: str) -> str:
    """Return a name that the pattern matches."""
    return pattern.replace("[!e]", "x").replace("[cod]", "c").replace("*", "x")


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_a_hook_has_one_line_of_jinja(hook: Path) -> None:
    lines = [line.strip() for line in hook.read_text(encoding="utf-8").splitlines()]

    assert [line for line in lines if any(mark in line for mark in JINJA)] == [
        'answers = json.loads(r"""{{ cookiecutter | jsonify }}""")'
    ]


def test_the_manifest_names_questions_and_paths_that_exist() -> None:
    for option in MANIFEST.values():
        assert isinstance(QUESTIONS[option["answer"]], bool)
        assert [path for path in option["paths"] if not (ROOT / SERVICE / path).exists()] == []


def test_every_switch_has_an_option() -> None:
    switches = {name for name, default in QUESTIONS.items() if isinstance(default, bool)}

    assert {option["answer"] for option in MANIFEST.values()} == switches


def test_every_tag_names_an_option_and_none_stands_in_json() -> None:
    tags = {name: post_gen_project.TAG.findall(text.encode()) for name, text in texts().items()}
    used = {(one or other).decode() for found in tags.values() for one, other in found}

    assert used == set(MANIFEST)
    assert [name for name, found in tags.items() if found and name.endswith(".json")] == []


def test_a_misspelt_tag_is_found() -> None:
    """A tag that the hook wouldn't recognise would stay in every generated service."""
    almost = re.compile(rb"(?:#|<!--|//|--)[ \t]*options?[ \t]*:", re.IGNORECASE)

    assert [
        f"{name}: {line.decode()}"
        for name, text in texts().items()
        if "/assets/" not in name
        for line in text.encode().splitlines()
        if almost.search(line) and not post_gen_project.TAG.search(line)
    ] == []


@pytest.mark.parametrize("document", sorted(path for path in list_files(ROOT, (".",)) if path.suffix == ".md"), ids=str)
def test_every_relative_link_resolves(document: Path) -> None:
    # The licence of a service is chosen when it is generated.
    assert [link for link in broken_links(ROOT / document, top=ROOT) if not link.endswith(": LICENSE")] == []


@pytest.mark.parametrize(
    "folder", [ROOT / "requirements", ROOT / SERVICE / "requirements"], ids=["template", "service"]
)
def test_requirements_are_pinned_and_hashed_and_name_no_address(folder: Path) -> None:
    files = sorted(folder.glob("*.txt"))

    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        pins = re.findall(r"^\S+==\S+", text, re.MULTILINE)
        assert pins
        assert len(pins) == len(re.findall(r"^[a-z0-9].*(?:\n    --hash=.*)+", text, re.MULTILINE)), file.name
        assert "://" not in text
        assert "index-url" not in text


def test_requirements_satisfy_what_was_asked_for() -> None:
    asked = (ROOT / "requirements/development.in").read_text(encoding="utf-8").splitlines()
    pins = pinned(ROOT / "requirements/development.txt")

    for line in asked:
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            assert requirement.specifier.contains(pins[requirement.name]), f"{line}: run make lock"


def test_shared_tools_have_the_same_version_in_the_service() -> None:
    ours, theirs = (pinned(folder / "requirements/development.txt") for folder in (ROOT, ROOT / SERVICE))

    assert {name: ours[name] for name in ours.keys() & theirs.keys()} == {
        name: theirs[name] for name in ours.keys() & theirs.keys()
    }, "run make lock"


def pinned(file: Path) -> dict[str, str]:
    """Return the version of each package in a file of requirements."""
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^\s;]+)", file.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_changelog_begins_with_the_template_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == QUESTIONS["_template_version"]


def test_lint_rules_of_template_and_service_read_the_same_python() -> None:
    ours, theirs = (
        tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
        for folder in (ROOT, ROOT / SERVICE)
    )
    for rule in ("line-length", "target-version"):
        assert ours[rule] == theirs[rule]


def test_workflows_pin_the_same_actions_by_commit() -> None:
    used: set[str] = set()
    for folder in (ROOT, ROOT / SERVICE):
        for file in (folder / ".github/workflows").glob("*.yml"):
            used.update(re.findall(r"uses: (\S+)", file.read_text(encoding="utf-8")))

    assert used
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []
    assert len(used) == len({action.partition("@")[0] for action in used})

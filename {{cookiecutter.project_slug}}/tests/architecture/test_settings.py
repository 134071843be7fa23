"""Every setting changes something, and `.env.example` lists them all."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

import app
from app.settings.sections import PartnerSection, Section, Settings, known_names

SOURCE = Path(app.__file__).parent
EXAMPLE = SOURCE.parents[1] / ".env.example"
COMPOSE = SOURCE.parents[1] / "compose.yaml"
SECTIONS = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
ASSIGNMENT = re.compile(r"# ([A-Z_]+)=(.*)")


def test_every_setting_is_read_outside_the_settings_package() -> None:
    used = {name for path in files_outside_settings() for name in settings_read_in(path)}

    unused = known_names() - used - names_for_partners()

    assert unused == set(), "a setting that changes nothing is a lie: use or delete it"


def names_for_partners() -> set[str]:
    """Read of each partner in the same way; tests/api/test_calls.py shows that all of them arrive."""
    partners = [name for name, section in SECTIONS.items() if issubclass(section, PartnerSection)]
    return {f"{name}_{field}".upper() for name in partners for field in PartnerSection.model_fields}


def files_outside_settings() -> list[Path]:
    """The essentials belong to them: they hand two settings on to everybody else."""
    inside = set((SOURCE / "settings").glob("*.py")) - {SOURCE / "settings" / "essentials.py"}
    return [path for path in SOURCE.rglob("*.py") if path not in inside]


def settings_read_in(path: Path) -> set[str]:
    """Variables read as `settings.port`, `settings.redis.url`, or `redis.url` of a section held alone."""
    reads = {(owner_of(node), node.attr) for node in attributes(ast.parse(path.read_text()))}
    direct = {field for owner, field in reads if owner == "settings"}
    through = {field for name in direct for field in fields_behind(name)}
    nested = {f"{owner}_{field}" for owner, field in reads if owner in SECTIONS}
    return {name.upper() for name in direct | through | nested}


def fields_behind(name: str) -> set[str]:
    """What a property of `Settings` reads, such as `docs_enabled` for `shows_docs`."""
    found = getattr(Settings, name, None)
    if not isinstance(found, property):
        return set()
    tree = ast.parse((SOURCE / "settings" / "sections.py").read_text())
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
    return {f"{owner_of(node)}_{node.attr}".removeprefix("self_") for node in attributes(body)}


def attributes(tree: ast.AST) -> list[ast.Attribute]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


def owner_of(node: ast.Attribute) -> str:
    """`redis` for both `redis.url` and `settings.redis.url`."""
    owner = node.value
    if isinstance(owner, ast.Attribute):
        return owner.attr
    return owner.id if isinstance(owner, ast.Name) else ""


def test_the_example_lists_every_variable_once_and_nothing_else() -> None:
    of_compose = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text())) - known_names()
    listed = [name for name, _ in examples()]

    assert sorted(listed) == sorted(known_names() | of_compose)


def test_the_example_says_what_each_variable_means() -> None:
    lines = EXAMPLE.read_text().splitlines()

    silent = [
        line
        for before, line in pairwise(lines)
        if ASSIGNMENT.fullmatch(line) and not re.fullmatch(r"# .{10,}[.](  # .*)?", before)
    ]

    assert silent == []


def test_the_example_sets_nothing_until_somebody_removes_the_hash() -> None:
    active = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]

    assert active == []


def test_the_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    defaults = values_of(Settings())
    has_default = {name: value for name, value in examples() if defaults.get(name) is not None}
    for name, value in has_default.items():
        monkeypatch.setenv(name, value)

    shown = values_of(Settings())

    assert {name: shown[name] for name in has_default} == {name: defaults[name] for name in has_default}


def examples() -> list[tuple[str, str]]:
    found = [ASSIGNMENT.fullmatch(line) for line in EXAMPLE.read_text().splitlines()]
    return [(match[1], match[2]) for match in found if match]


def values_of(settings: BaseModel, prefix: str = "") -> dict[str, object]:
    """Each variable's name with its value."""
    values: dict[str, object] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        values |= values_of(value, f"{name}_") if isinstance(value, Section) else {f"{prefix}{name}".upper(): value}
    return values

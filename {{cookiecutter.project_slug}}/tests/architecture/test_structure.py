"""What import contracts cannot say about the source."""

import ast
import importlib
import statistics
from pathlib import Path

import grimp
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

import app
from app.assembly.jobs import HANDLERS, SCHEDULES
from app.assembly.routes import ROUTERS
from app.jobs.job import Job
from app.jobs.schedules import timetable
from tests.support.app import unopened_app

SOURCE = Path(app.__file__).parent
FEATURES = sorted(path.name for path in (SOURCE / "features").iterdir() if (path / "__init__.py").is_file())

LONGEST_FILE = 250
LONGEST_FUNCTION = 40
MEDIAN_FUNCTION = 10

# Where the interpreter comes in; `migrations/env.py` stands outside the package and imports the last.
ENTRY_POINTS = {"app.main", "app.cli", "app.assembly.models"}

# What features may stand on: no feature has to use all of it.
FOR_FEATURES = {
    "app.cache.decorator",
    "app.core.versions",
    "app.jobs.queue",
    "app.web.dependencies",
    "app.web.pagination",
    "app.web.preconditions",
}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("app", include_external_packages=True, cache_dir=None)


def python_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_every_feature_is_listed_in_the_assembly() -> None:
    modules = {
        route.endpoint.__module__ for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)
    }

    unlisted = [name for name in FEATURES if f"app.features.{name}.routes" not in modules]

    assert unlisted == [], "add their routers to assembly/routes.py"


def test_every_job_of_a_feature_is_listed_in_the_assembly() -> None:
    listed = {handler.job for handler in HANDLERS}

    unlisted = {
        f"{name}.{kind.__name__}"
        for name in FEATURES
        if (SOURCE / "features" / name / "jobs.py").is_file()
        for kind in jobs_in(f"app.features.{name}.jobs")
        if kind not in listed
    }

    assert unlisted == set(), "add their handlers to assembly/jobs.py"


def jobs_in(module: str) -> list[type[Job]]:
    """The kinds of jobs that a module defines."""
    defined = vars(importlib.import_module(module)).values()
    return [item for item in defined if isinstance(item, type) and issubclass(item, Job) and item is not Job]


def test_jobs_have_names_of_their_own() -> None:
    names = [handler.job.name for handler in HANDLERS]

    assert len(names) == len(set(names))
    assert {schedule.job.name for schedule in SCHEDULES} <= set(names), "a scheduled job needs a handler too"


def test_every_schedule_can_be_read_and_somebody_does_its_job() -> None:
    handled = {handler.job for handler in HANDLERS}
    registry = timetable(SCHEDULES)

    assert all(entry.croniter for entry in registry.periodic_tasks.values())
    assert [schedule for schedule in SCHEDULES if type(schedule.job) not in handled] == []


def test_every_module_is_reached_from_an_entry_point(imports: grimp.ImportGraph) -> None:
    reached = {module for root in ENTRY_POINTS for module in imports.find_upstream_modules(root, as_package=True)}
    packages = {module for module in imports.modules if (SOURCE.parent / module.replace(".", "/")).is_dir()}

    modules = {module for module in imports.modules if module.startswith("app.")}
    dead = {module for module in modules - reached - packages - ENTRY_POINTS if not module.startswith("app.cli.")}

    assert dead - FOR_FEATURES == set(), "nothing imports these: connect or delete them"


def test_every_table_is_known_to_migrations(imports: grimp.ImportGraph) -> None:
    known = imports.find_upstream_modules("app.assembly.models")

    unknown = [name for name in FEATURES if f"app.features.{name}.models" in imports.modules - known]

    assert unknown == [], "add them to assembly/models.py, or the next `make migration` drops their tables"


def test_services_know_neither_http_nor_sql(imports: grimp.ImportGraph) -> None:
    services = [
        module for module in imports.modules if module.startswith("app.features.") and module.endswith(".service")
    ]

    offences = {
        (service, imported)
        for service in services
        for imported in imports.find_modules_directly_imported_by(service)
        if imported.partition(".")[0] in {"fastapi", "starlette", "sqlalchemy", "asyncpg"}
        or imported.startswith("app.web")
    }

    assert offences == set(), "services decide; routes translate and repositories query"


def test_features_do_not_know_each_other(imports: grimp.ImportGraph) -> None:
    offences = {
        (importer, imported)
        for importer in imports.modules
        for imported in imports.find_modules_directly_imported_by(importer)
        if feature_of(importer) and feature_of(imported) and feature_of(importer) != feature_of(imported)
    }

    assert offences == set(), "what two features share belongs into a capability package"


def feature_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["app", "features"] and len(parts) > 2 else None


def test_every_route_is_the_applications_own_and_there_once() -> None:
    routes = unopened_app().routes

    paths = [(route.path, tuple(sorted(route.methods or ()))) for route in routes if isinstance(route, Route)]

    # Through `include_router` a request is matched twice, and a prefix given there is missing from metrics and logs.
    assert [route for route in routes if not isinstance(route, Route | Mount)] == [], "add them with `add_routes`"
    assert len(paths) == len(set(paths))


def test_files_hold_one_idea() -> None:
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in python_files()}

    assert {name for name, lines in lengths.items() if lines > LONGEST_FILE} == set(), "split them by idea"


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}": length(node)
        for path in python_files()
        for node in functions_in(path)
    }

    assert statistics.median(lengths.values()) < MEDIAN_FUNCTION
    assert {name for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == set()


def functions_in(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_module_says_what_it_is_responsible_for() -> None:
    silent = [str(path) for path in python_files() if not ast.get_docstring(ast.parse(path.read_text()))]

    assert silent == []

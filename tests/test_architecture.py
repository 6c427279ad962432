"""The architecture: which imports exist, what they load, what is exported, and what the page says of it."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

import aylien_model_serving
from tests.docs.pages import names, prose, table
from tests.imports import (
    FILES,
    FOLDER,
    PACKAGE,
    graph,
    imported,
    itself,
    levels,
    part_of_room,
    room,
    roots,
    tree,
    walk,
)

PAGE = "docs/architecture.md"
HEAVY = {"flask", "gunicorn", "gevent", "torch", "numpy", "pandas", "polars", "pyarrow", "pydantic"}

#: Who reads the environment: the operator's settings, and what the C library was told.
READ_ENVIRONMENT = {"core.settings", "process.memory"}

#: Third-party packages that a service may lack, or that must not be loaded before they are used.
OPTIONAL = {
    "pydantic",  # needed by few hints only, and slow to import
    "gevent",
    "limits",
    "numpy",
    "torch",
    "pandas",
    "polars",
    "pyarrow",
    "granian",
    "redis",
    "psycopg",
    "psycopg_pool",
    "PIL",
    "soundfile",
    "av",
    "rich",
    "httpx",
    "pytest",
    "ray",
    "celery",
    "kombu",
    "billiard",
    "grpc",
    "grpc_health",
    "grpc_reflection",
    "runpod",
    "mangum",
    "yaml",
}

#: Class names that stand twice: a handler's `JobCancelled` is no `Exception`, a caller's is a client error.
SAME_CLASS = {"JobCancelled"}

#: File names that stand twice within a wing, for the same thing.
SAME_FILE = {
    "client": {"backend", "bases", "body", "client", "driver", "handles"},  # for asyncio, and blocking
    "jobs": {"connections", "database_errors", "repository", "schema"},  # for each database
    "replicas": {"main"},  # what each kind of process runs
    "web": {
        "app",  # the service's Flask app, and its base class, which takes mounts
        "asgi",  # the protocol of a server, and of a mounted application
        "wsgi",
    },
}


#: The room that Gunicorn loads, beside the Flask application.
BESIDE_WEB = "gunicorn_hooks"


def below_web() -> list[str]:
    """Return the modules of all rooms on lower levels than the Flask application."""
    level = levels()
    return [module for module in FILES if level[room(module)] < level["web"] and room(module) != BESIDE_WEB]


def test_every_module_says_what_it_is_for() -> None:
    assert [module for module in FILES if not ast.get_docstring(tree(module))] == []


@pytest.mark.parametrize("part", [room, part_of_room, itself])
def test_imports_form_no_circle(part: Callable[[str], str]) -> None:
    graphlib.TopologicalSorter(graph(part)).prepare()


def test_the_page_lists_every_room_at_its_level() -> None:
    listed = [(int(row[0]), name) for row in table(PAGE, "The rooms") for name in names(row[1])]

    suffixes = {name: "/" if (FOLDER / name).is_dir() else ".py" for name in levels()}
    assert sorted(listed) == sorted((level, name + suffixes[name]) for name, level in levels().items())


def test_the_page_lists_the_packages_that_each_room_imports() -> None:
    listed = {
        re.split(r"\W", name)[0]: {package.partition(".")[0] for package in names(row[3])}
        for row in table(PAGE, "The rooms")
        for name in names(row[1])
    }

    known = sys.stdlib_module_names | {PACKAGE, ""}
    imports: dict[str, set[str]] = {name: set() for name in levels()}
    for module in FILES:
        imports[room(module)] |= roots(module) - known
    assert listed == imports


def test_the_files_that_the_page_names_exist() -> None:
    named = [name for name in names(prose(PAGE)) if re.fullmatch(r"[\w./*]+(/|\.py)", name)]

    assert [name for name in named if not any([*FOLDER.glob(name), *FOLDER.parent.glob(name)])] == []


def test_no_three_modules_beside_the_wings_share_a_word() -> None:
    """The third sibling makes a wing of them."""
    modules = [name for name in levels() if (FOLDER / f"{name}.py").exists()]
    words = Counter(word for name in modules for word in set(name.split("_")) - {""})

    assert [word for word, number in words.items() if number > 2] == []


def test_no_file_name_stands_twice_in_a_wing_for_different_things() -> None:
    files = Counter(
        (room(module), module.rpartition(".")[2]) for module, file in FILES.items() if file.stem != "__init__"
    )

    twice = {name for name, number in files.items() if number > 1}
    assert twice == {(wing, name) for wing, same in SAME_FILE.items() for name in same}


def test_only_optional_packages_are_imported_inside_a_function() -> None:
    late = {
        (module, name)
        for module in FILES
        for node, inside_function in walk(tree(module))
        if inside_function
        for name in imported(node)
        if name.partition(".")[0] not in OPTIONAL
    }

    assert late == set()


def test_no_room_below_the_web_imports_flask_or_gunicorn() -> None:
    assert [module for module in below_web() if roots(module) & {"flask", "flask_caching", "gunicorn"}] == []


def test_the_environment_is_read_in_the_settings_alone() -> None:
    reads = [
        (module, ast.unparse(node))
        for module in FILES
        if module not in READ_ENVIRONMENT
        for node, _ in walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(("os.environ.get", "os.getenv"))
    ]

    assert reads == []


def test_no_class_name_stands_twice() -> None:
    places: dict[str, list[str]] = {}
    for module in FILES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module)

    assert {name for name, modules in places.items() if len(modules) > 1} == SAME_CLASS


def loaded_after(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER.parent, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.processes
def test_the_rooms_below_the_web_load_no_web_framework_and_no_array_library() -> None:
    modules = below_web()

    loaded = loaded_after("\n".join(f"import {PACKAGE}.{module}" for module in modules))

    assert {f"{PACKAGE}.{module}" for module in modules} <= loaded
    assert not loaded & HEAVY


@pytest.mark.processes
def test_the_package_alone_loads_none_of_its_rooms() -> None:
    loaded = loaded_after(f"import {PACKAGE}")

    assert {name for name in loaded if name.startswith(PACKAGE)} == {PACKAGE}
    assert not loaded & HEAVY


@pytest.mark.processes
def test_the_app_factory_needs_no_array_library_and_no_server() -> None:
    loaded = loaded_after(f"import {PACKAGE}.app_factory, {PACKAGE}.cached_app_factory")

    assert not loaded & {"torch", "numpy", "pydantic", "gunicorn", "gevent"}


@pytest.mark.processes
def test_the_supervisor_loads_no_library_that_only_answers_need() -> None:
    loaded = loaded_after(f"import {PACKAGE}.replicas.supervisor.main")

    assert not loaded & {"flask", "werkzeug", "google.protobuf", "pydantic", "prometheus_client"}


def test_the_public_names_are_exported() -> None:
    from aylien_model_serving import app_factory, cached_app_factory, errors

    assert aylien_model_serving.FlaskAppWrapper is app_factory.FlaskAppWrapper
    assert aylien_model_serving.CachedFlaskAppWrapper is cached_app_factory.CachedFlaskAppWrapper
    assert aylien_model_serving.InvalidRequest is app_factory.InvalidRequest is errors.InvalidRequest
    assert all(hasattr(aylien_model_serving, name) for name in aylien_model_serving.__all__)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"aylien_model_serving.*'FlaskAppWraper'"):
        _ = aylien_model_serving.FlaskAppWraper


def exported(module: str) -> list[str]:
    """Return what a module lists as `__all__`; nothing, where it lists nothing."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed: list[str] = ast.literal_eval(node.value)
            return listed
    return []


def test_what_a_module_exports_is_there() -> None:
    missing = [
        (module, name)
        for module in FILES
        for name in exported(module)
        if not hasattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
    ]

    assert missing == []


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (FOLDER / "py.typed").is_file()

"""The architecture: which imports exist, what they drag in, and what is exported."""

import ast
import graphlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import aylien_model_serving

PACKAGE = "aylien_model_serving"
FOLDER = Path(__file__).parents[1] / PACKAGE
FILES = {
    ".".join(file.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(FOLDER.rglob("*.py"))
    if file != FOLDER / "__init__.py"
}
HEAVY = ("flask", "gunicorn", "gevent", "torch", "numpy")

#: Rooms that stand on the standard library and msgspec alone.
GROUND = {"errors", "core"}

#: Who reads the environment: the operator's settings, and what the C library was told.
READ_ENVIRONMENT = {"core.settings", "process.memory"}

#: Rooms that a process may load which neither serves nor computes.
LIGHT = GROUND | {
    "background",
    "codecs",
    "executors",
    "handlers",
    "media",
    "metrics",
    "process",
    "rpc",
    "schemas",
}

#: Rooms that may know the web framework and the server.
KNOW_FLASK = {"app_factory", "cached_app_factory", "cli", "gunicorn_hooks", "service", "testing", "web"}

#: Third-party packages that a service may lack, or that must not be loaded before they are used.
OPTIONAL = {
    "gevent",
    "numpy",
    "torch",
    "granian",
    "redis",
    "PIL",
    "soundfile",
    "av",
    "rich",
    "httpx",
    "pytest",
}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text())


def room(module: str) -> str:
    """Return the room that a module belongs to: a file, or a folder with all that is below it."""
    return module.partition(".")[0]


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def walk(node: ast.AST, *, inside_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield what runs, and whether it does so in a function; what only a type checker sees is left out."""
    for child in ast.iter_child_nodes(node):
        if not is_typing_only(child):
            inside = inside_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield child, inside
            yield from walk(child, inside_function=inside)


def imported(node: ast.AST) -> list[str]:
    """Return the full names that an import statement may load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def arrows(module: str) -> set[str]:
    """Return the modules of the package that a module imports, without the packages on the way to them."""
    names = {name for node, _ in walk(tree(module)) for name in imported(node)}
    inside = {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}
    found = {name for name in inside if name in FILES}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)} - {module}


def levels() -> dict[str, int]:
    """Return how high each room stands: one above the highest room that it imports.

    Raises:
        graphlib.CycleError: rooms import each other in a circle.
    """
    graph: dict[str, set[str]] = {room(module): set() for module in FILES}
    for module in FILES:
        graph[room(module)] |= {room(other) for other in arrows(module)} - {room(module)}
    found: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(graph).static_order():
        found[name] = 1 + max((found[other] for other in graph[name]), default=-1)
    return found


def roots(module: str) -> set[str]:
    """Return the top-level packages that a module imports, wherever it does."""
    return {name.partition(".")[0] for node, _ in walk(tree(module)) for name in imported(node)}


def test_every_module_says_what_it_is_for() -> None:
    assert [module for module in FILES if not ast.get_docstring(tree(module))] == []


def test_rooms_import_each_other_in_no_circle() -> None:
    assert min(levels().values()) == 0


def test_imports_form_no_circle() -> None:
    graphlib.TopologicalSorter({module: arrows(module) for module in FILES}).prepare()


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


def test_the_web_rooms_alone_import_flask_and_gunicorn() -> None:
    others = [module for module in FILES if room(module) not in KNOW_FLASK]

    assert [module for module in others if roots(module) & {"flask", "flask_caching", "gunicorn"}] == []


def test_the_ground_floor_needs_no_package_but_msgspec() -> None:
    known = sys.stdlib_module_names | {PACKAGE, "msgspec"}

    assert [module for module in FILES if room(module) in GROUND and roots(module) - known] == []


def test_the_environment_is_read_in_the_settings_alone() -> None:
    reads = [
        (module, ast.unparse(node))
        for module in FILES
        if module not in READ_ENVIRONMENT
        for node, _ in walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(("os.environ.get", "os.getenv"))
    ]

    assert reads == []


#: Public on both sides: a handler's is no `Exception`, and a caller's is one of the client's errors.
TWICE = {"JobCancelled"}


def test_no_class_name_stands_twice() -> None:
    """The blocking client is made of the asyncio one, so its few helpers have the same names."""
    places: dict[str, list[str]] = {}
    for module in FILES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef) and not module.startswith("client._sync"):
                places.setdefault(node.name, []).append(module)

    assert {name for name, modules in places.items() if len(modules) > 1} == TWICE


def loaded_after(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER.parent, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.processes
def test_the_lower_floors_drag_in_neither_a_web_framework_nor_an_array_library() -> None:
    low = [module for module in FILES if room(module) in LIGHT]

    loaded = loaded_after("\n".join(f"import {PACKAGE}.{module}" for module in low))

    assert {f"{PACKAGE}.{module}" for module in low} <= loaded
    assert not loaded & set(HEAVY)


@pytest.mark.processes
def test_the_package_alone_loads_none_of_its_rooms() -> None:
    loaded = loaded_after(f"import {PACKAGE}")

    assert {name for name in loaded if name.startswith(PACKAGE)} == {PACKAGE}
    assert not loaded & set(HEAVY)


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
            names: list[str] = ast.literal_eval(node.value)
            return names
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

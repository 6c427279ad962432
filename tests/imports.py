"""The modules of the package and what they import, read from their source.

A room is a module or folder at the top of the package, and a folder is a wing.
"""

import ast
import graphlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "aylien_model_serving"
FOLDER = Path(__file__).parents[1] / PACKAGE
FILES = {
    ".".join(file.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted(FOLDER.rglob("*.py"))
    if file != FOLDER / "__init__.py"
}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text())


def room(module: str) -> str:
    """Return the room that a module belongs to: a file, or a folder with all that is below it."""
    return module.partition(".")[0]


def part_of_room(module: str) -> str:
    """Return the file or sub-folder, directly below its room, that a module belongs to."""
    return ".".join(module.split(".")[:2])


def itself(module: str) -> str:
    return module


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


@cache
def imports(module: str) -> frozenset[str]:
    """Return the full names that a module may load, wherever it imports them."""
    return frozenset(name for node, _ in walk(tree(module)) for name in imported(node))


@cache
def arrows(module: str) -> set[str]:
    """Return the modules of the package that a module imports, without the packages on the way to them."""
    names = imports(module)
    inside = {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}
    found = {name for name in inside if name in FILES}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)} - {module}


def graph(part: Callable[[str], str]) -> dict[str, set[str]]:
    """Return which parts of the package import which: its rooms, their parts, or single modules."""
    found: dict[str, set[str]] = {part(module): set() for module in FILES}
    for module in FILES:
        found[part(module)] |= {part(other) for other in arrows(module)} - {part(module)}
    return found


def levels() -> dict[str, int]:
    """Return how high each room stands: one above the highest room that it imports.

    Raises:
        graphlib.CycleError: rooms import each other in a circle.
    """
    rooms = graph(room)
    found: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(rooms).static_order():
        found[name] = 1 + max((found[other] for other in rooms[name]), default=-1)
    return found


def roots(module: str) -> set[str]:
    """Return the top-level packages that a module imports, wherever it does."""
    return {name.partition(".")[0] for name in imports(module)}

"""Runs the Python blocks of a page, in order, in one module of their own.

A comment in the line after an expression is its expected value, as `repr` writes it, or the exception that it
raises, as `Error: message`. Keys of dicts are sorted for the comparison.
"""

import ast
from pathlib import Path
from types import ModuleType

from tests.docs.pages import PROJECT, Block


class Namespace:
    """The module in which the blocks of one page run.

    Args:
        page: its path, for tracebacks.
    """

    def __init__(self, page: str) -> None:
        self.page = page
        self.module = ModuleType("page_" + Path(page).stem)

    def run(self, block: Block) -> int:
        """Run one block, compare its comments with the values, and return the number of comparisons."""
        lines = block.text.splitlines()
        compared = 0
        for statement in ast.parse(block.text).body:
            ast.increment_lineno(statement, block.line - 1)
            end = (statement.end_lineno or 0) - block.line + 1
            expected = lines[end] if end < len(lines) else ""
            if isinstance(statement, ast.Expr) and expected.startswith("# "):
                actual = self._outcome(statement.value)
                assert actual == expected.removeprefix("# "), (
                    f"{self.page}:{block.line + end} says {expected}, not {actual}"
                )
                compared += 1
            else:
                self._execute(statement)
        return compared

    def _execute(self, statement: ast.stmt) -> None:
        code = compile(ast.Module([statement], []), PROJECT / self.page, "exec")
        exec(code, self.module.__dict__)

    def _outcome(self, expression: ast.expr) -> str:
        code = compile(ast.Expression(expression), PROJECT / self.page, "eval")
        try:
            return repr(_sorted(eval(code, self.module.__dict__)))
        except ValueError as error:
            return f"{type(error).__name__}: {error}"


def _sorted(value: object) -> object:
    """Return a value whose dicts are sorted by their keys."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_sorted, value))
    return value

"""Every block of Python in the documentation runs, and its values are those that the page says."""

import re
import sys
from pathlib import Path

import pytest

from tests.docs.namespace import Namespace
from tests.docs.pages import PAGES, Block, blocks, commands, needs_frames, needs_media, needs_torch
from tests.with_frames import need_frames
from tests.with_media import need_media
from tests.with_torch import import_torch

PAGES_WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def is_program(page: str, block: Block) -> bool:
    """Return whether the page runs a module by a command, which the test of console blocks does."""
    typed = (command.line for console in blocks(page, "console") for command in commands(console))
    return block.module is not None and any(re.match(rf"python .*\b{block.module}$", line) for line in typed)


@pytest.mark.parametrize("page", PAGES_WITH_PYTHON)
def test_the_blocks_of_a_page_run_in_order(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if needs_torch(page):
        import_torch()
    if needs_media(page):
        need_media()
    if needs_frames(page):
        need_frames()
    namespace = Namespace(page)
    monkeypatch.setitem(sys.modules, namespace.module.__name__, namespace.module)
    monkeypatch.chdir(tmp_path)
    # A block may set this: it is restored like everything else.
    monkeypatch.setenv("MODEL_SERVING_EXPOSE_ERRORS", "0")

    compared = sum(namespace.run(block) for block in blocks(page, "python") if not is_program(page, block))

    assert compared or any(block.module for block in blocks(page, "python"))


def test_a_page_that_says_something_else_fails(tmp_path: Path) -> None:
    namespace = Namespace("README.md")
    [block, *_] = blocks("README.md", "python")
    lie = type(block)("python", "1 + 1\n# 3\n", block.line)

    with pytest.raises(AssertionError, match="says # 3, not 2"):
        namespace.run(lie)


def test_the_smallest_service_takes_six_lines() -> None:
    service, *_ = blocks("README.md", "python")

    assert service.module == "service.py"
    assert len([line for line in service.text.splitlines() if line.strip("# \n")]) == 1 + 6

"""Every server and every curl line of the documentation, word for word, gives the answer that is printed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.page_runner import PageRunner
from tests.docs.pages import PAGES, Section, blocks, needs_media, needs_torch, sections
from tests.selection import full
from tests.with_media import need_media
from tests.with_torch import import_torch

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        shutil.which("curl") is None and "CI" not in os.environ, reason="curl is not on this machine"
    ),
]

SECTIONS = [
    pytest.param(page, section, id=f"{page}:{section.line}", marks=[] if page == "README.md" else full)
    for page in PAGES
    for section in sections(page)
]


@pytest.fixture
def page_runner(tmp_path: Path) -> Iterator[PageRunner]:
    page_runner = PageRunner(tmp_path)
    yield page_runner
    page_runner.close()


@pytest.mark.timeout(600)  # a page starts as many as a dozen servers, one after the other
@pytest.mark.parametrize(("page", "section"), SECTIONS)
def test_the_commands_of_a_section_print_what_the_page_says(
    page_runner: PageRunner, page: str, section: Section
) -> None:
    if needs_torch(page):
        import_torch()
    if needs_media(page):
        need_media()
    for module in section.modules:
        page_runner.run(module)

    compared = sum(page_runner.run(block) for block in section.blocks)

    assert compared == sum(command.is_compared for command in section.commands()) > 0


@full
def test_a_page_that_says_something_else_fails(page_runner: PageRunner) -> None:
    [service, *_], [start, *_] = blocks("README.md", "python"), blocks("README.md", "console")
    page_runner.run(service)
    page_runner.run(start)
    lie = type(start)("console", "$ curl localhost:8000/__ping\nFailure\n", start.line)

    with pytest.raises(AssertionError, match="Success\nand not\nFailure"):
        page_runner.run(lie)

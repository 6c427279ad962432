"""Every server and every curl line of the documentation, word for word, gives the answer that is printed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.page_runner import Reader
from tests.docs.pages import PAGES, Chapter, blocks, chapters, needs_media, needs_torch
from tests.selection import full
from tests.with_media import need_media
from tests.with_torch import import_torch

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        shutil.which("curl") is None and "CI" not in os.environ, reason="curl is not on this machine"
    ),
]

CHAPTERS = [
    pytest.param(page, chapter, id=f"{page}:{chapter.line}", marks=[] if page == "README.md" else full)
    for page in PAGES
    for chapter in chapters(page)
]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.leave()


@pytest.mark.timeout(600)  # a page starts as many as a dozen servers, one after the other
@pytest.mark.parametrize(("page", "chapter"), CHAPTERS)
def test_who_follows_a_page_gets_the_answers_that_it_prints(
    reader: Reader, page: str, chapter: Chapter
) -> None:
    if needs_torch(page):
        import_torch()
    if needs_media(page):
        need_media()
    for module in chapter.modules:
        reader.follow(module)

    compared = sum(reader.follow(block) for block in chapter.blocks)

    assert compared == sum(command.is_compared for command in chapter.typed()) > 0


@full
def test_an_answer_that_a_page_does_not_print_is_found_out(reader: Reader) -> None:
    [start, *_] = blocks("README.md", "console")
    reader.follow(start)
    lie = type(start)("console", "$ curl localhost:8000/__ping\nFailure\n", start.line)

    with pytest.raises(AssertionError, match="Success\nand not\nFailure"):
        reader.follow(lie)

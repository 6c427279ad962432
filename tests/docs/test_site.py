"""The site is built without a warning, its links have targets, and it fetches nothing from other hosts."""

import importlib.util
import os
import subprocess
import sys
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, PROJECT
from tests.selection import full
from tests.services.serving import clean_environment

pytestmark = full  # `make docs` builds the site as strictly

BUILD_SECONDS = 100

#: Elements whose content a browser fetches, and the attribute with its URL.
FETCHED = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src"}

#: Relations of <link> that are not fetched.
NOT_FETCHED = {"canonical", "prev", "next"}


class Page(HTMLParser):
    """A page of the site: its anchors, its links, and what it has a browser fetch."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.add(found.get("id", found.get("name", "")))
        address = found.get(FETCHED.get(tag, ""))
        if address is not None and found.get("rel") not in NOT_FETCHED:
            self.fetched.append(address)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])


class Site:
    """The pages of a folder that mkdocs has written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[Path, Page]:
        files = (file for file in self.folder.rglob("*.html") if file.name != "404.html")
        return {file: Page(file) for file in files}

    def has_target(self, page: Page, link: str) -> bool:
        parts = urlsplit(link)
        target = (page.file.parent / unquote(parts.path)).resolve() if parts.path else page.file
        target = target / "index.html" if target.is_dir() else target
        if target not in self.pages:
            return target.is_file()
        return parts.fragment in {"", *self.pages[target].anchors}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        if os.environ.get("CI"):
            pytest.fail("mkdocs is not installed")
        pytest.skip("mkdocs is not installed: pip install 'model-serving[docs]'")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=PROJECT,
        env=clean_environment() | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    messages = [line for line in (built.stdout + built.stderr).splitlines() if not line.startswith("INFO ")]
    assert (built.returncode, messages) == (0, [])
    return Site(folder)


def test_every_page_of_the_documentation_is_in_the_site(site: Site) -> None:
    pages = [Path(page).relative_to("docs") for page in PAGES if page.startswith("docs/")]

    for page in pages:
        folder = page.parent if page.stem == "index" else page.with_suffix("")
        assert site.folder / folder / "index.html" in site.pages, page


def test_every_link_of_the_site_has_a_target(site: Site) -> None:
    broken = {
        (str(page.file.relative_to(site.folder)), link)
        for page in site.pages.values()
        for link in page.links
        if not urlsplit(link).scheme and not site.has_target(page, link)
    }

    assert broken == set()


def test_no_page_has_a_browser_fetch_anything_from_another_host(site: Site) -> None:
    for page in site.pages.values():
        for address in page.fetched:
            assert not urlsplit(address).netloc, f"{page.file.name} fetches {address}"
            assert site.has_target(page, address), address


def test_a_link_to_a_missing_anchor_fails(site: Site) -> None:
    page = site.pages[site.folder / "tutorial" / "index.html"]

    assert site.has_target(page, "#a-job")
    assert not site.has_target(page, "#a-yob")
    assert not site.has_target(page, "../guide/jops/")

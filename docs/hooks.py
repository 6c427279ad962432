"""Hooks of mkdocs: files outside of docs/ that pages link to become pages of the site.

In the repository the same links lead to the files themselves.
"""

import posixpath
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<=\]\()(?P<target>[^)#\s:]+)(?=[)#])")

#: Pages that are known under another name in the site; the README's is the site's start.
_PAGES = {"../CHANGELOG.md": "changelog.md", "../README.md": "index.md"}

_LANGUAGES = {".proto": "protobuf"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the changelog, and a page for each file outside of docs/ that a page links to."""
    changelog = Path(config.docs_dir, "../CHANGELOG.md").read_text()
    files.append(File.generated(config, "changelog.md", content=changelog))
    for page in files.documentation_pages():
        for match in _LINK.finditer(page.content_string):
            target = _resolve(page, match["target"])
            name = _name_in_site(target)
            if target.startswith("../") and files.get_file_from_path(name) is None:
                text = Path(config.docs_dir, target).read_text()
                files.append(File.generated(config, name, content=_show(target, text)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links that leave docs/ at their pages in the site."""

    def target_in_site(match: re.Match[str]) -> str:
        target = _resolve(page.file, match["target"])
        if not target.startswith("../"):
            return match["target"]
        return posixpath.relpath(_name_in_site(target), posixpath.dirname(page.file.src_uri) or ".")

    return _LINK.sub(target_in_site, markdown)


def _resolve(page: File, link: str) -> str:
    """Return where a page's link leads, as seen from docs/; pages that were generated lie above it."""
    folder = ".." if page.generated_by else posixpath.dirname(page.src_uri)
    return posixpath.normpath(posixpath.join(folder, link))


def _name_in_site(target: str) -> str:
    if target in _PAGES:
        return _PAGES[target]
    return target.removeprefix("../").removeprefix("docs/") + ("" if target.endswith(".md") else ".md")


def _show(target: str, text: str) -> str:
    suffix = PurePosixPath(target).suffix
    language = _LANGUAGES.get(suffix, suffix.removeprefix("."))
    return f"# {target.removeprefix('../')}\n\n```{language}\n{text}```\n"

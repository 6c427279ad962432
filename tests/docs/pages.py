"""The pages of the documentation as data: fenced blocks, tables, links, and the commands of console blocks.

Parses the Markdown that the pages use, and runs nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]

PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(path.relative_to(PROJECT)) for path in (PROJECT / "docs").rglob("*.md")),
)

_FENCED = re.compile(r"^(?P<margin> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
_SERVER = re.compile(
    r"(?:\w+=\S+ )*(?:newrelic-admin run-program )?"
    r"(?:make (?:.* )?example-service|gunicorn |uvicorn |granian |model-serving run )"
)
_WORKER = re.compile(r"(?:\w+=\S+ )*model-serving worker ")
_MODULE = re.compile(r"# (?P<name>\w+\.py)\n")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Args:
        language: the word behind the fence.
        text: what is between the fences.
        line: the number of the first line of the text, from 1.
    """

    language: str
    text: str
    line: int

    @property
    def module(self) -> str | None:
        """The file name that a block of Python starts with, if it is a whole module."""
        matches = _MODULE.match(self.text)
        return matches["name"] if matches and self.language == "python" else None


@dataclass(frozen=True)
class Command:
    """One command of a console block, and its output according to the page."""

    line: str
    output: str

    @property
    def starts_server(self) -> bool:
        """Return whether it runs until it is stopped; a script without output is a service."""
        is_script = re.fullmatch(r"python \w+\.py", self.line) is not None
        return _SERVER.match(self.line) is not None or (is_script and not self.output)

    @property
    def starts_worker(self) -> bool:
        """Return whether it runs jobs beside the server that runs already."""
        return _WORKER.match(self.line) is not None

    @property
    def is_compared(self) -> bool:
        return (
            not self.starts_server
            and not self.starts_worker
            and self.line.startswith(("curl ", "model-serving ", "python "))
        )


def read(page: str) -> str:
    return (PROJECT / page).read_text()


def blocks(page: str, *languages: str) -> list[Block]:
    """Return the fenced blocks of the given languages in the order of the page; all without languages."""
    text = read(page)
    matches = [
        Block(match["language"], _dedent(match), text.count("\n", 0, match.start("text")) + 1)
        for match in _FENCED.finditer(text)
    ]
    return [block for block in matches if not languages or block.language in languages]


def _dedent(match: re.Match[str]) -> str:
    margin = match["margin"]
    return "".join(line.removeprefix(margin) for line in match["text"].splitlines(keepends=True))


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block: lines after a `$ `, each followed by its output."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield Command(line, output.removesuffix("\n"))


@dataclass(frozen=True)
class Section:
    """The blocks of a page from one that starts a server, or the first command, to the next that does.

    Args:
        modules: the modules that the page has shown before.
        blocks: its blocks, the modules among them.
    """

    modules: tuple[Block, ...]
    blocks: tuple[Block, ...]

    @property
    def line(self) -> int:
        return self.blocks[0].line

    def commands(self) -> list[Command]:
        consoles = (block for block in self.blocks if block.language == "console")
        return [command for block in consoles for command in commands(block)]


def sections(page: str) -> list[Section]:
    """Return the parts of a page that can be run independently."""
    matches = blocks(page)
    consoles = [number for number, block in enumerate(matches) if block.language == "console"]
    starts = [
        number
        for number in consoles
        if number == consoles[0] or any(command.starts_server for command in commands(matches[number]))
    ]
    return [
        Section(tuple(block for block in matches[:start] if block.module), tuple(matches[start:end]))
        for start, end in zip(starts, [*starts[1:], len(matches)], strict=False)
    ]


def prose(page: str) -> str:
    """Return a page without its fenced blocks."""
    return _FENCED.sub("", read(page))


def links(page: str) -> list[str]:
    return [match["target"] for match in _LINK.finditer(prose(page))]


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    titles = [match["title"].lower() for match in _HEADING.finditer(prose(page))]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def needs_torch(page: str) -> bool:
    """Return whether the blocks of a page use torch, directly or through the example that does."""
    uses = re.compile(r"^(?:import|from) torch\b|\bexamples\.(?:digits|characters)\b", re.MULTILINE)
    return any(uses.search(block.text) for block in blocks(page, "python", "console"))


def needs_media(page: str) -> bool:
    """Return whether the blocks of a page decode files."""
    return any(
        re.search(r"\b(?:(?:Image|Audio|Video)File|PIL)\b", block.text) for block in blocks(page, "python")
    )


def needs_frames(page: str) -> bool:
    """Return whether the blocks of a page use frames."""
    uses = re.compile(r"^(?:import|from) (?:pandas|polars|pyarrow)\b", re.MULTILINE)
    return any(uses.search(block.text) for block in blocks(page, "python"))


def table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its header; the cells as in the source."""
    below = prose(page).partition(f"# {heading}\n")[2]
    assert below, f"{page} has no heading {heading!r}"
    rows = [line for line in below.partition("\n#")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows[2:]]


def names(cell: str) -> list[str]:
    """Return the names in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)

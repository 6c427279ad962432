"""Tables of the pages match the code: keys, settings, errors, metrics, packages, make targets, links."""

import ast
import configparser
import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from aylien_model_serving import errors
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cli.service_client import KEY_VARIABLE
from aylien_model_serving.core.operator_options import PREFIXES
from aylien_model_serving.core.secrets import FILE_SETTINGS, FILE_SUFFIX
from aylien_model_serving.core.settings import PREFIX, Settings
from aylien_model_serving.routing.routes import Route
from tests.docs.pages import PAGES, PROJECT, anchors, blocks, commands, links, names, prose, read, table
from tests.services.serving import clean_environment

ROUTE_KEYS = ("docs/guide/routes.md", "The keys")

#: Programs whose commands a page may show without output.
PROGRAMS = {"pip", "python"}


def half(number: int) -> float:
    return 1 / number


#: Fields of a route that its dict does not have.
_NO_KEYS = ("view", "binding", "model", "set_by_operator")


def route_keys() -> list[str]:
    return [field.name for field in dataclasses.fields(Route) if field.name not in _NO_KEYS]


def test_the_table_of_route_keys_has_every_key_in_the_order_of_the_code() -> None:
    listed = [names(row[0])[0] for row in table(*ROUTE_KEYS)]

    assert listed == route_keys()


def test_the_table_of_route_keys_has_the_defaults_of_the_code() -> None:
    listed = {names(row[0])[0]: row[2] for row in table(*ROUTE_KEYS)}

    assert listed["methods"] == f"`{list(Route('/', print).methods)}`".replace("'", '"')
    assert listed["threads"] == f"`{Route('/', print).threads}`"
    assert listed["cache"] == f"`{Route('/', print).cache}`"


def test_the_table_of_settings_has_every_setting_and_its_default() -> None:
    listed = {names(row[0])[0]: row[1].strip("`") for row in table("docs/guide/operations.md", "Settings")}

    real = {PREFIX + field.name.upper(): field.default for field in dataclasses.fields(Settings)}
    words: dict[object, str] = {None: "chosen at start", (): "none", False: "0", True: "1"}
    assert listed == {name: words.get(value, str(value)) for name, value in real.items()}


#: Settings that are numbers and limit nothing.
NO_LIMITS = {"grpc_port", "grpc_workers", "port", "workers"}


def test_the_table_of_limits_has_every_limit_and_its_default() -> None:
    listed = {names(row[0])[0]: row[1].strip("`") for row in table("docs/guide/security.md", "Limits")}

    settings = {names(row[0])[0]: row[1].strip("`") for row in table("docs/guide/operations.md", "Settings")}
    limits = {
        PREFIX + field.name.upper()
        for field in dataclasses.fields(Settings)
        if re.search("int|float", str(field.type)) and field.name not in NO_LIMITS
    }
    assert limits <= listed.keys()
    assert listed == {name: settings[name] for name in listed}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_setting_that_does_not_exist(page: str) -> None:
    settings = {field.name for field in dataclasses.fields(Settings)}
    real = {PREFIX + name.upper() for name in settings}
    real |= {PREFIX + name.upper() + FILE_SUFFIX for name in FILE_SETTINGS & settings}
    real |= {KEY_VARIABLE}

    found = set(re.findall(rf"{PREFIX}[A-Z][A-Z_]+", read(page)))
    assert {name for name in found if not name.startswith(tuple(PREFIXES.values()))} <= real


def test_the_table_of_errors_has_every_class_with_its_status_and_code() -> None:
    listed = {
        (int(row[0]), names(row[1])[0], name)
        for row in table("docs/guide/errors.md", "Codes")
        for name in names(row[2])
    }

    real = {
        (kind.status, kind.code, name)
        for name, kind in vars(errors).items()
        if not name.startswith("_") and isinstance(kind, type) and issubclass(kind, errors.ServingError)
    }
    assert listed == real


def test_the_metrics_of_the_table_are_exposed_with_their_labels() -> None:
    app = FlaskAppWrapper.create_app(
        [{"endpoint": "/half", "callable": half, "cache": True, "limit": "100/second"}]
    )
    app.state.instruments.of_handler("half").speed_changed(True)
    client = app.test_client()
    for number in (4, 0):
        client.post("/half", json={"number": number})

    scraped = client.get("/metrics").text

    for cell, labels, _ in table("docs/guide/operations.md", "Metrics"):
        [name] = names(cell)
        [shown, *_] = re.findall(rf"^{name}(?:_count)?\{{(.*)\}} ", scraped, re.MULTILINE)
        assert re.findall(r"(\w+)=", shown) == sorted(names(labels))


def test_the_changelog_begins_with_the_version_of_the_distribution() -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")

    [latest, *_] = re.findall(r"^## (\S+) - ", read("CHANGELOG.md"), re.MULTILINE)
    assert latest == setup["metadata"]["version"]


def test_the_readme_fits_three_screens_with_what_is_looked_at() -> None:
    pictures = [target for target in links("README.md") if target.endswith((".png", ".svg"))]

    assert len(read("README.md").splitlines()) <= 156
    assert len(pictures) == 3
    assert all((PROJECT / picture).stat().st_size < 150_000 for picture in pictures)


def test_the_readme_shows_two_commands_to_start_with() -> None:
    text = read("README.md").partition("## Two commands")[2].partition("\n## ")[0]

    assert re.findall(r"^\$ (.*)$", text, re.MULTILINE) == ["make example-service", "make test"]


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_of_a_page_exist(page: str, tmp_path: Path) -> None:
    shown = [command.line for block in blocks(page, "console") for command in commands(block)]
    inline = re.findall(r"`([^`\n]+)`", prose(page))
    makes = {line for line in shown + inline if re.match(r"(\w+=\S+ )*make( |$)", line)}

    for line in makes:
        dry = subprocess.run(
            ["bash", "-c", f"export MAKEFLAGS=n; {line}"],
            cwd=PROJECT,
            env=clean_environment() | {"VENV": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert dry.returncode == 0, dry.stderr


@pytest.mark.parametrize("page", PAGES)
def test_a_block_without_a_language_holds_known_programs_or_a_log_line(page: str) -> None:
    for block in blocks(page, ""):
        for line in block.text.splitlines():
            assert line.split()[0] in PROGRAMS or re.match(r"\d{4}-\d\d-\d\dT", line), line


def test_the_code_of_other_systems_is_valid_python() -> None:
    shown = blocks("docs/coming-from.md", "py")

    assert shown
    for block in shown:
        ast.parse(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_have_targets(page: str) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (PROJECT / page).parent / path if path else PROJECT / page
        assert target.resolve().exists(), link
        assert not anchor or anchor in anchors(str(target.resolve().relative_to(PROJECT))), link


def test_every_page_is_linked_from_the_readme_or_the_start_of_the_site() -> None:
    reached, waiting = set(), ["README.md", "docs/index.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        local = [link.partition("#")[0] for link in links(page) if not link.startswith("https://")]
        targets = [((PROJECT / page).parent / link).resolve() for link in local if link.endswith(".md")]
        waiting += [
            str(target.relative_to(PROJECT))
            for target in targets
            if str(target.relative_to(PROJECT)) not in reached
        ]

    assert reached == set(PAGES)

"""`model-serving routes`, and with it how targets are parsed and apps are inspected."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.description import describe_app
from tests.cli.conftest import SECONDS, Invoke, one_line
from tests.services.serving import PROJECT

pytestmark = pytest.mark.processes

HEAD = "from aylien_model_serving.app_factory import FlaskAppWrapper\n"

WORDS = f"""{HEAD}
from pathlib import Path

class Count:
    def __init__(self):
        Path("built").touch()

    def __call__(self, text: str, least: int = 1) -> dict:
        return {{"words": len(text.split())}}

def run_app(path="/count"):
    return FlaskAppWrapper.create_app([
        {{"endpoint": path, "callable": Count, "cache": 60, "warmup": {{"text": "a"}}}},
        {{"endpoint": "/later", "callable": Count, "name": "later", "job": {{"queue_size": 3}}}},
    ])

number = 5
"""

LINES = [
    "POST  /count  cached for 60 s                  Count(text: string, least?: integer)",
    "POST  /later  as jobs, 3 may wait; 1 replica  later(text: string, least?: integer)",
]


@pytest.fixture
def words(folder: Path) -> Path:
    file = folder / "words.py"
    file.write_text(WORDS)
    return file


@pytest.mark.parametrize(
    "target",
    [
        "words.py",
        "./words.py",
        "words",
        "words:run_app()",
        "words:run_app",
        "words.py:run_app()",
        "words.run_app()",
    ],
)
def test_an_app_is_found_by_each_of_its_names(words: Path, invoke: Invoke, target: str) -> None:
    result = invoke("routes", target)

    assert result.exit_code == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()] == [line.split() for line in LINES]


def test_what_the_operator_sets_is_shown_with_its_place(words: Path, invoke: Invoke, folder: Path) -> None:
    (folder / "serving.toml").write_text("[routes.later.job]\nqueue_size = 5\n")
    given = {"MODEL_SERVING_CONFIG": "serving.toml", "MODEL_SERVING_ROUTE_COUNT__TIMEOUT": "2"}

    shown = invoke("routes", "words.py", env=given).stdout.splitlines()

    assert [" ".join(line.split()) for line in shown] == [
        "POST /count cached for 60 s; 2 s at most Count(text: string, least?: integer)",
        "timeout = 2 from MODEL_SERVING_ROUTE_COUNT__TIMEOUT",
        "POST /later as jobs, 5 may wait; 1 replica later(text: string, least?: integer)",
        "job.queue_size = 5 from [routes.later.job] of serving.toml",
    ]


def test_a_service_that_forks_when_it_is_imported_is_not_waited_for(folder: Path, invoke: Invoke) -> None:
    gate, fork = folder / "gate", "import os\nif os.fork() == 0:\n    open('gate').read()\n    os._exit(0)\n"
    os.mkfifo(gate)
    (folder / "words.py").write_text(fork + WORDS)

    with ThreadPoolExecutor() as threads:
        looking = threads.submit(invoke, "routes", "words.py")
        try:
            shown = looking.result(timeout=SECONDS / 4).stdout.splitlines()
        finally:
            gate.open("w").close()  # the forked process ends

    assert [line.split() for line in shown] == [line.split() for line in LINES]


def test_looking_builds_no_handler_and_opens_no_store(words: Path, invoke: Invoke, folder: Path) -> None:
    invoke("routes", "words.py")

    assert not (folder / "built").exists()
    assert not (folder / "instance").exists()


def test_a_factory_gets_its_arguments(words: Path, invoke: Invoke) -> None:
    printed = json.loads(invoke("routes", "words:run_app(path='/sum')", "--json").stdout)

    assert printed["target"] == "words:run_app(path='/sum')"
    assert printed["routes"][0]["path"] == "/sum"


def test_a_file_of_a_package_is_imported_as_a_part_of_it(invoke: Invoke) -> None:
    printed = json.loads(invoke("routes", str(PROJECT / "examples" / "fries" / "app.py"), "--json").stdout)

    assert printed["target"] == "examples.fries.app:run_app()"
    assert printed["routes"] == [
        {
            "path": "/make_fries",
            "methods": ["POST"],
            "name": "make_fries",
            "fields": ["fries_name: string", "amount?: integer"],
            "runs": "as jobs, 100 may wait; 1 replica",
            "set_by_operator": [],
        }
    ]


def test_a_service_and_the_views_of_a_flask_app_are_found(folder: Path, invoke: Invoke) -> None:
    (folder / "one.py").write_text(
        "from aylien_model_serving.service import Service\nsvc = Service()\n"
        "@svc.endpoint\ndef shout(text: str) -> str:\n    return text\nsvc.serve()\n"
    )
    (folder / "two.py").write_text(
        "from flask import Flask\nweb = Flask('web')\n@web.get('/hello')\ndef hello():\n    return 'hi'\n"
    )

    assert invoke("routes", "one.py").stdout.split() == ["POST", "/shout", "shout(text:", "string)"]
    assert "GET  /hello" in invoke("routes", "two").stdout


def test_what_is_mounted_is_shown(folder: Path, invoke: Invoke) -> None:
    (folder / "one.py").write_text(
        "from flask import Flask\nfrom aylien_model_serving.service import Service\nsvc = Service()\n"
        "svc.mount_wsgi('/admin', Flask('admin'))\n"
    )

    assert invoke("routes", "one:svc").stdout.split() == ["*", "/admin/", "mounted", "Flask()"]


def test_what_a_service_prints_at_its_import_mixes_with_no_output(folder: Path, invoke: Invoke) -> None:
    (folder / "loud.py").write_text(f"{WORDS}\nprint('loading')\n")

    assert json.loads(invoke("routes", "loud.py", "--json").stdout)["target"] == "loud:run_app()"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("word.py", "There is no file 'word.py'; did you mean 'words.py'?"),
        ("wrds:run_app()", "did you mean 'words'?"),
        ("words:run_ap()", "words has no 'run_ap'; did you mean 'run_app'?"),
        ("words:app", "words has no 'app'; did you mean 'run_app'?"),
        ("words:number", "words:number is of type int, and no app that a server could call"),
        ("words:Count", "words:Count is a class, and no app that a server could call"),
        ("words:run_app(1, 2)", "words:run_app(1, 2): too many positional arguments"),
        ("words:run_app(open('x'))", "neither a name nor a call like run_app()"),
        ("words:", "neither a name nor a call like run_app()"),
        ("two words", "'two words' is no target: a target is module:app, module:factory() or a file"),
        ("empty.py", "empty has no app: neither a Service, nor a Flask app, nor a function run_app()"),
        ("my-app.py", "'my-app.py' can't be imported: 'my-app' is no name of a module; rename it"),
    ],
)
def test_a_wrong_target_is_reported_with_the_nearest_right_one(
    words: Path, folder: Path, invoke: Invoke, target: str, expected: str
) -> None:
    (folder / "empty.py").touch()
    (folder / "my-app.py").touch()

    result = invoke("routes", target)

    assert expected in one_line(result)
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\nimport trch\n", "bad.py, line 2: ModuleNotFoundError: No module named 'trch' ("),
        ("def x(:\n", "bad.py, line 1: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "bad.py, line 2: the module ends the process when it is imported"),
        (
            "import os\nos.kill(os.getpid(), 9)\n",
            "bad: the process was ended by SIGKILL when it was imported",
        ),
        (
            f"{HEAD}app = FlaskAppWrapper.create_app([{{'endpont': '/'}}])",
            "bad.py, line 2: ConfigurationError: ",
        ),
        (f"{HEAD}app = FlaskAppWrapper.create_app([{{'endpont': '/'}}])", "did you mean 'endpoint'?"),
        (
            "from aylien_model_serving import Service\napp = Service()\n"
            "app.endpoint('/p', runner=True)(lambda text: text)\n",
            "ConfigurationError: route '/p': key 'callable': <lambda> can't run in a process of its own",
        ),
        (f"{HEAD}def run_app():\n    return 1 / 0\n", "bad.py, line 3: ZeroDivisionError: division by zero"),
        (f"{HEAD}def run_app():\n    pass\n", "bad:run_app() is of type NoneType, and no app"),
    ],
)
def test_a_service_that_fails_to_import_is_reported_in_one_line_with_its_place(
    folder: Path, invoke: Invoke, text: str, expected: str
) -> None:
    (folder / "bad.py").write_text(text)

    assert expected in one_line(invoke("routes", "bad.py"))


def test_all_of_an_error_is_shown_when_it_is_asked_for(folder: Path, invoke: Invoke) -> None:
    (folder / "bad.py").write_text("def load():\n    return {}['weights']\nload()\n")

    result = invoke("routes", "bad.py", "--traceback")

    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].endswith("bad.py, line 2: KeyError: 'weights'")


def test_a_missing_extra_is_reported_with_what_brings_it(folder: Path, invoke: Invoke) -> None:
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['soundfile'] = None\n")
    (folder / "bad.py").write_text("import soundfile\n")

    result = invoke("routes", "bad.py", env={"PYTHONPATH": f"{folder}:{PROJECT}"})

    assert "pip install 'model-serving[media]' brings it" in one_line(result)


def test_the_pages_of_a_service_are_named() -> None:
    described = describe_app(FlaskAppWrapper.create_app([]))

    assert described["pages"] == ["/docs", "/__dashboard", "/openapi.json"]

"""Which server `serve` becomes, what it is started with, and where `serve` does nothing."""

import importlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aylien_model_serving import Service
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import lifecycle
from aylien_model_serving.servers import commands, import_paths, ports, tls
from aylien_model_serving.servers.commands import ServerOptions

GLOBAL = Service()
CHECK_PORT = ports.check

SCRIPT = """
from aylien_model_serving import Service

app = Service("mine")
app.serve(8123, 3)

def main():
    app.start(port=8123)
"""


class Became(BaseException):
    """Simulates the end of the program, which has become another one."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        super().__init__(command)
        self.command = command
        self.environ = environ

    def word_after(self, flag: str) -> str:
        return self.command[self.command.index(flag) + 1]


@pytest.fixture(autouse=True)
def _no_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    def become(path: str, command: list[str], environ: dict[str, str]) -> NoReturn:
        raise Became(command, environ)

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(ports, "check", lambda host, port: None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def run_script(path: Path, monkeypatch: pytest.MonkeyPatch) -> Became:
    """Run a file as `python path` does, up to where it becomes another program."""
    main = type(sys)("__main__")
    main.__file__, main.__spec__ = str(path), None
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pytest.raises(Became) as became:
        exec(compile(path.read_text(), path, "exec"), main.__dict__)
    return became.value


def test_a_script_becomes_the_server_of_the_module_that_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = folder / "mine.py"
    script.write_text(SCRIPT)

    became = run_script(script, monkeypatch)

    assert became.command[0] == sys.executable
    assert became.command[-1] == "mine:app()"
    assert became.word_after("--bind") == "127.0.0.1:8123"
    assert became.word_after("--workers") == "3"
    assert became.word_after("--worker-class") == "asgi"
    assert became.word_after("--pythonpath") == str(folder)


def test_who_reaches_a_service_is_printed_with_what_opens_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = folder / "mine.py"
    script.write_text(SCRIPT)

    run_script(script, monkeypatch)
    closed = capsys.readouterr().out
    monkeypatch.setenv("MODEL_SERVING_HOST", "0.0.0.0")
    became = run_script(script, monkeypatch)
    opened = capsys.readouterr().out
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "ann:" + "k" * 20)
    run_script(script, monkeypatch)

    assert "listens on http://127.0.0.1:8123, for this machine alone" in closed
    assert "MODEL_SERVING_HOST=0.0.0.0" in closed
    assert "listens on http://0.0.0.0:8123, for everyone who reaches this machine: no API key" in opened
    assert "listens on http://0.0.0.0:8123, for everyone who has an API key\n" in capsys.readouterr().out
    assert became.word_after("--bind") == "0.0.0.0:8123"


def test_a_script_prints_what_it_serves_and_where_its_jobs_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = folder / "mine.py"
    job = '@app.task_endpoint("/later")\ndef later(text: str, times: int = 1) -> str:\n    return text\n\n'
    script.write_text(SCRIPT.replace("app.serve(8123", job + "app.serve(8123"))

    run_script(script, monkeypatch)

    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("model-serving ")
    assert head.endswith(" serves mine:app by gunicorn with 3 asgi workers")
    assert "  POST  /later  as jobs, 100 may wait; 1 replica  later(text: string, times?: integer)" in lines
    assert "  http://127.0.0.1:8123/__dashboard   see what the service does" in lines
    assert f"Its jobs are kept in {folder}/instance/jobs-mine.sqlite3" in lines
    assert not (folder / "instance").exists()
    assert not lifecycle.is_inspecting


def test_a_script_whose_routes_cant_be_served_says_so_and_becomes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "build", refuse_to_build)
    script = folder / "mine.py"
    script.write_text(SCRIPT)
    main = type(sys)("__main__")
    main.__file__, main.__spec__ = str(script), None
    monkeypatch.setitem(sys.modules, "__main__", main)

    with pytest.raises(SystemExit, match="mine can't be served: no such schema"):
        exec(compile(script.read_text(), script, "exec"), main.__dict__)
    assert not lifecycle.is_inspecting


def refuse_to_build(service: Service) -> NoReturn:
    raise ConfigurationError("no such schema")


def test_a_certificate_is_passed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "check", lambda *files, **options: None)
    script = folder / "mine.py"
    script.write_text(SCRIPT.replace("8123, 3", 'certfile="cert.pem", keyfile="key.pem"'))

    became = run_script(script, monkeypatch)

    assert (became.word_after("--certfile"), became.word_after("--keyfile")) == ("cert.pem", "key.pem")


def test_an_operator_goes_before_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "::1", "PORT": "9000", "WORKERS": "1"}.items():
        monkeypatch.setenv(f"MODEL_SERVING_{name}", value)
    script = folder / "mine.py"
    script.write_text(SCRIPT)

    became = run_script(script, monkeypatch)

    assert became.word_after("--bind") == "[::1]:9000"
    assert became.word_after("--workers") == "1"


def test_a_module_that_is_imported_serves_nothing_until_its_function_is_called(folder: Path) -> None:
    (folder / "mine.py").write_text(SCRIPT)

    module = importlib.import_module("mine")

    with pytest.raises(Became) as became:
        module.main()
    assert became.value.command[-1] == "mine:app()"


def test_a_module_of_a_package_is_served_by_its_full_name(folder: Path) -> None:
    (folder / "package" / "inner").mkdir(parents=True)
    (folder / "package" / "inner" / "__init__.py").write_text(SCRIPT)

    found = import_paths.find(importlib.import_module("package.inner").app)

    assert found == ("package.inner:app", folder)


def test_a_replica_and_an_inspection_serve_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for sign in ("is_replica", "is_inspecting"):
        with monkeypatch.context() as patch:
            patch.setattr(lifecycle, sign, True)
            assert GLOBAL.serve() is None  # type: ignore[func-returns-value]  # that it returns is what is tested


@pytest.mark.parametrize(
    ("name", "message"),
    [("no-suffix", "no-suffix can't be imported"), ("my.service.py", "give it a name like service.py")],
)
def test_a_script_that_nobody_could_import_ends_with_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    script = folder / name
    script.write_text(SCRIPT)
    main: Any = type(sys)("__main__")
    main.__file__, main.__spec__ = str(script), None
    monkeypatch.setitem(sys.modules, "__main__", main)

    with pytest.raises(SystemExit, match=message):
        exec(compile(SCRIPT, script, "exec"), main.__dict__)


def test_a_service_within_a_function_can_not_be_served() -> None:
    with pytest.raises(SystemExit, match="let it stand at the top of a module"):
        Service().serve()


@pytest.mark.parametrize(
    ("worker_class", "interface"),
    [("gevent", "wsgi"), ("gthread", "wsgi"), ("asgi", "asgi"), (None, "asgi")],
)
def test_granian_speaks_what_the_worker_class_says(
    worker_class: str | None, interface: str, tmp_path: Path
) -> None:
    pytest.importorskip("granian")
    options = ServerOptions(server="granian", worker_class=worker_class, port=8123)

    with pytest.raises(Became) as became:
        commands.run("mine:make()", options, folder=tmp_path)

    assert became.value.word_after("--interface") == interface
    assert became.value.word_after("--port") == "8123"
    assert became.value.command[-2:] == ["--factory", "mine:make"]
    assert became.value.environ["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)


def test_gunicorn_gets_the_hooks_and_reloads_where_it_is_asked_to(tmp_path: Path) -> None:
    command = commands.command_of("mine:app", ServerOptions(reload=True), folder=tmp_path)

    assert command[command.index("--config") + 1] == "python:aylien_model_serving.gunicorn_hooks"
    assert command[-2:] == ["--reload", "mine:app"]


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_replicas_are_loaded_again_where_workers_are(server: str, tmp_path: Path) -> None:
    for reload in (True, False):
        environ = commands.environment_of(ServerOptions(server=server, reload=reload), folder=tmp_path)

        assert environ.get("MODEL_SERVING_RELOAD") == ("1" if reload else None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"server": "gunicorm"}, "unknown server 'gunicorm'; did you mean 'gunicorn'"),
        ({"port": 70000}, "a port is a number from 1 to 65535; this is 70000"),
        ({"port": "8000"}, "this is '8000'"),
        ({"workers": 0}, "at least 1 worker"),
        ({"worker_class": "gevnt"}, "did you mean 'gevent'"),
        ({"log_level": "loud"}, "unknown log level"),
    ],
)
def test_wrong_options_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ServerOptions(**given)


@pytest.mark.parametrize(
    ("package", "options", "message"),
    [
        ("granian", ServerOptions(server="granian"), r"pip install 'model-serving\[granian\]'"),
        ("watchfiles", ServerOptions(server="granian", reload=True), r"pip install 'granian\[reload\]'"),
    ],
)
def test_a_server_that_is_not_installed_is_reported_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, package: str, options: ServerOptions, message: str, tmp_path: Path
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: real("missing" if name == package else "os")
    )

    with pytest.raises(ConfigurationError, match=message):
        commands.run("mine:app", options, folder=tmp_path)


def test_a_port_in_use_is_reported_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ports, "check", CHECK_PORT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ServerOptions(host="127.0.0.1", port=port)

        with pytest.raises(ConfigurationError) as refused:
            commands.run("mine:app", options, folder=tmp_path)

    message, _, free = str(refused.value).partition(", such as ")
    assert message.startswith(f"port {port} is in use by process {os.getpid()} (")
    assert int(free) > port
    CHECK_PORT("127.0.0.1", int(free))


def test_a_host_that_is_not_here_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ports, "check", CHECK_PORT)

    with pytest.raises(ConfigurationError, match="can't be listened on"):
        commands.run("mine:app", ServerOptions(host="192.0.2.1", port=0), folder=tmp_path)

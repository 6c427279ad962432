"""`model-serving call` and `jobs`, against a running service."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import SECONDS, Invoke, one_line
from tests.cli.services import UNSAFE
from tests.services.hosts import wait_until
from tests.services.serving import PROJECT, clean_environment, free_port, launch

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service in `services`."""
    command = [sys.executable, "-m", "aylien_model_serving", "run", "tests.cli.services:app", "--quiet"]
    command += ["--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--worker-class", "gthread"]
    jobs = tmp_path_factory.mktemp("jobs") / "jobs.sqlite3"
    with launch(
        command, env={"MODEL_SERVING_JOBS_URL": f"sqlite:///{jobs}"}, cwd=PROJECT, ready="/readyz"
    ) as service:
        yield service.url


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["a=1"], {"sum": 1.5, "on": True, "tag": "", "kind": "x", "many": None}),
        (["a=1", "b=2", "tag=5"], {"sum": 3.0, "on": True, "tag": "5", "kind": "x", "many": None}),
        (["a:=1", "on=no", "kind=y"], {"sum": 1.5, "on": False, "tag": "", "kind": "y", "many": None}),
        (["a=1", "many=1", "many=2"], {"sum": 1.5, "on": True, "tag": "", "kind": "x", "many": [1, 2]}),
        (["a=1", "many=3"], {"sum": 1.5, "on": True, "tag": "", "kind": "x", "many": [3]}),
        (["a=1", "many=[4, 5]"], {"sum": 1.5, "on": True, "tag": "", "kind": "x", "many": [4, 5]}),
        (["a=1", "tag=x=y@z"], {"sum": 1.5, "on": True, "tag": "x=y@z", "kind": "x", "many": None}),
    ],
)
def test_fields_are_read_as_the_service_describes_them(
    url: str, invoke: Invoke, words: list[str], answer: dict[str, object]
) -> None:
    result = invoke("call", f"{url}/add", *words)

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == answer


def test_fields_come_from_standard_input_and_those_of_the_command_line_go_before_them(
    url: str, invoke: Invoke
) -> None:
    result = invoke("call", f"{url}/add", "-", "a=5", input='{"a": 1, "b": 1}')

    assert json.loads(result.stdout)["sum"] == 6.0


def test_a_whole_body_is_typed_or_comes_from_standard_input(url: str, folder: Path, invoke: Invoke) -> None:
    (folder / "in.txt").write_text("four")

    assert invoke("call", f"{url}/total", ":=[1, 2]").stdout == "3\n"
    assert invoke("call", f"{url}/total", "-", input="[1, 2]").stdout == "3\n"
    assert invoke("call", f"{url}/measure", "@in.txt").stdout == "4\n"


def test_fields_may_stand_in_the_path_and_in_the_query(url: str, invoke: Invoke) -> None:
    short = url.removeprefix("http://")

    assert invoke("call", f"{short}/users/7/greet?word=hello").stdout == "hello 7\n"


def test_a_stream_is_printed_a_line_for_each_item(url: str, invoke: Invoke) -> None:
    assert invoke("call", f"{url}/spell", "text=ab").stdout == '{"letter": "a"}\n{"letter": "b"}\n'


def test_a_job_is_followed_to_its_result(url: str, invoke: Invoke) -> None:
    result = invoke("call", f"{url}/bake", "name=bread")

    assert (result.exit_code, result.stdout) == (0, "bread is done\n")


def test_a_terminal_shows_how_far_a_job_is(url: str, folder: Path) -> None:
    pytest.importorskip("rich")
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "aylien_model_serving", "call", f"{url}/bake", "name=bread"]

    with subprocess.Popen(
        command,
        env=clean_environment() | {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as asked:
        os.close(terminal)
        shown = b"".join(iter(lambda: _read(master), b""))
        assert asked.stdout is not None
        assert asked.stdout.read() == b"bread is done\n"
    os.close(master)

    assert b"100%" in shown


def in_a_terminal(folder: Path, *words: str) -> str:
    """Return what a command shows in a terminal, without the ends of its lines."""
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "aylien_model_serving", *words]
    variables = {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path]), "TERM": "dumb"}
    with subprocess.Popen(
        command, cwd=folder, env=clean_environment() | variables, stdout=terminal, stderr=terminal
    ):
        os.close(terminal)
        shown = b"".join(iter(lambda: _read(master), b"")).decode()
    os.close(master)
    return shown.replace("\r\n", "\n")


@pytest.mark.parametrize(
    "words",
    [
        ("call", "{url}/unsafe", "kind=text"),
        ("call", "{url}/unsafe", "kind=object"),
        ("call", "{url}/unsafe", "kind=file"),
        ("call", "{url}/unsafe", "kind=error"),
        ("call", "{url}/unsafe-items"),
        ("call", "{url}/bake", "name=poison"),
        ("jobs", "{url}"),
    ],
    ids=" ".join,
)
def test_nothing_that_a_service_sends_commands_the_terminal(
    url: str, folder: Path, invoke: Invoke, words: tuple[str, ...]
) -> None:
    pytest.importorskip("rich")
    if words[0] == "jobs":
        invoke("call", f"{url}/bake", "name=poison")

    shown = in_a_terminal(folder, *[word.format(url=url) for word in words])

    assert "[31mb" in shown
    assert [character for character in UNSAFE if character in shown and character not in "\n[;"] == list(
        filter(str.isalnum, UNSAFE)
    )


def test_what_goes_to_a_program_or_a_file_is_as_it_came(url: str, folder: Path, invoke: Invoke) -> None:
    assert invoke("call", f"{url}/unsafe", "kind=text").stdout_bytes.decode() == f"{UNSAFE}\n"
    assert json.loads(invoke("call", f"{url}/unsafe", "kind=object").stdout) == {UNSAFE: [UNSAFE]}

    invoke("call", f"{url}/unsafe", "kind=text", "-o", "out")

    assert (folder / "out").read_bytes().decode() == f"{UNSAFE}\n"


def test_jobs_stay_in_their_lines_whatever_their_text(url: str, invoke: Invoke) -> None:
    invoke("call", f"{url}/bake", "name=poison")

    first = invoke("jobs", url).stdout_bytes.decode().split("\n")[0]

    assert first.endswith(r"a\x1b[31mb\x9bc\u2028d\u202ee\nf\rg\x07")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody has the other end open any more
        return b""


def test_jobs_are_listed_the_last_one_first(url: str, invoke: Invoke) -> None:
    invoke("call", f"{url}/bake", "name=stone")
    job_id = invoke("call", f"{url}/bake", "name=cake", "--no-wait").stdout.strip()

    lines = invoke("jobs", url).stdout.splitlines()
    failed = json.loads(invoke("jobs", url, "--status", "failed", "--json").stdout)

    assert lines[0].split()[0] == job_id
    assert {job["error"] for job in failed} - {UNSAFE} == {"nobody eats stones"}


def test_a_job_is_met_again_after_an_interrupt_and_cancelled(url: str, invoke: Invoke) -> None:
    command = [sys.executable, "-m", "aylien_model_serving", "call", f"{url}/bake", "name=slow"]
    variables = clean_environment() | {"PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        called = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        wait_until(lambda: "slowly" in invoke("jobs", url, "--status", "processing").stdout)
        called.send_signal(signal.SIGINT)
        _, told = called.communicate(timeout=SECONDS)
    finally:
        called.kill()

    [wait_for_it, stop_it] = [shlex.split(line)[1:] for line in told.split("`")[1::2]]
    assert (called.returncode, wait_for_it) == (130, ["jobs", url, "result", stop_it[-1]])
    stopped = invoke(*stop_it)
    assert stopped.exit_code == 0
    assert ("It is asked to stop" in stopped.stderr) == (" cancelled" not in stopped.stdout)
    assert "was cancelled" in one_line(invoke(*wait_for_it))
    state = json.loads(invoke("jobs", url, "status", stop_it[-1], "--json").stdout)
    assert [job["status"] for job in state] == ["cancelled"]


def test_the_result_of_a_job_can_be_had_later(url: str, folder: Path, invoke: Invoke) -> None:
    job_id = invoke("call", f"{url}/bake", "name=pie", "--no-wait").stdout.strip()

    assert invoke("jobs", url, "result", job_id).stdout == "pie is done\n"
    assert invoke("jobs", url, "result", job_id, "-o", "pie.txt").exit_code == 0
    assert (folder / "pie.txt").read_text() == "pie is done\n"
    assert invoke("jobs", url, "cancel", job_id).stdout.split()[:2] == [job_id, "finished"]


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["cancel"], 2, "Of which job? cancel is followed by an id"),
        (["cancle", "a"], 2, "'cancle' is nothing that can be done with a job; did you mean 'cancel'?"),
        (["status", "nobody"], 1, "The service answered 404 not_found: "),
    ],
)
def test_what_can_not_be_done_with_a_job_is_reported_in_one_line(
    url: str, invoke: Invoke, words: list[str], status: int, expected: str
) -> None:
    result = invoke("jobs", url, *words)

    assert expected in one_line(result)
    assert result.exit_code == status


def test_a_file_is_sent_and_one_that_comes_back_is_saved(url: str, folder: Path, invoke: Invoke) -> None:
    (folder / "in.txt").write_text("text")

    result = invoke("call", f"{url}/copy", "file@in.txt")

    assert "copy.txt" in one_line_of_success(result.stderr)
    assert (folder / "copy.txt").read_text() == "TEXT"


def one_line_of_success(text: str) -> str:
    [line] = text.splitlines()
    return line


def test_a_file_replaces_another_only_when_it_is_forced_to(url: str, folder: Path, invoke: Invoke) -> None:
    (folder / "in.txt").write_text("text")
    (folder / "copy.txt").write_text("precious")

    refused = one_line(invoke("call", f"{url}/copy", "file@in.txt"))
    kept = (folder / "copy.txt").read_text()
    invoke("call", f"{url}/copy", "file@in.txt", "--force")

    assert "is there already" in refused
    assert kept == "precious"
    assert (folder / "copy.txt").read_text() == "TEXT"


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "..\\out.txt", ".out.txt", "a/../../out.txt"])
def test_a_file_stays_within_the_folder_whatever_the_service_calls_it(
    url: str, folder: Path, invoke: Invoke, name: str
) -> None:
    (folder / "in.txt").write_text("text")

    invoke("call", f"{url}/copy", "file@in.txt", f"name={name}")

    assert {file.name for file in folder.iterdir()} == {"in.txt", "out.txt"}
    assert not (folder.parent / "out.txt").exists()


def test_a_link_does_not_lead_a_file_out_of_the_folder(url: str, folder: Path, invoke: Invoke) -> None:
    (folder / "in.txt").write_text("text")
    (folder / "copy.txt").symlink_to(folder.parent / "elsewhere.txt")

    line = one_line(invoke("call", f"{url}/copy", "file@in.txt", "--force"))

    assert "leads out of the folder" in line
    assert not (folder.parent / "elsewhere.txt").exists()


def test_a_file_goes_where_the_caller_says(url: str, folder: Path, invoke: Invoke) -> None:
    (folder / "in.txt").write_text("text")

    invoke("call", f"{url}/copy", "file@in.txt", "-o", "mine.txt")

    assert (folder / "mine.txt").read_text() == "TEXT"
    assert invoke("call", f"{url}/copy", "file@in.txt", "-o", "-").stdout == "TEXT"


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["/add", "a=x"], 2, "a=x: a whole number is expected"),
        (["/add", "a=1", "on=maybe"], 2, "on=maybe: true or false is expected"),
        (["/add", "a:=x"], 2, "a:=x: not JSON"),
        (["/add", "aa=1"], 2, "The route has no field 'aa'; did you mean 'a'?"),
        (["/total", ":=[1"], 2, ":=[1: not JSON"),
        (["/total", ":=[1]", "more:=1"], 2, "total() got a body, and 'more' beside it, a field of one"),
        (["/total", ":=[1]", ":=[2]"], 2, "total() takes one body, and 2 were given"),
        (["/add", "one"], 2, "'one' is no field: a field is name=value, name:=json or name@path"),
        (["/copy", "file@int.txt"], 2, "file@int.txt: there is no such file; did you mean 'in.txt'?"),
        (["/ad", "a=1"], 2, "The service has no route /ad; did you mean '/add'?"),
        (["/add", "a=1", "-X", "GET"], 2, "The service has no route GET /add"),
        (["/add"], 1, "The service answered 400 "),
        (["/add", "a=-1"], 1, "The service answered 400 invalid_request: a is below zero (request "),
        (["/bake", "name=stone"], 1, "has no result: nobody eats stones"),
        (["/spell", "text=a", "-o", "x"], 2, "this is a stream"),
    ],
)
def test_a_wrong_call_ends_in_one_line(
    url: str, folder: Path, invoke: Invoke, words: list[str], status: int, expected: str
) -> None:
    (folder / "in.txt").touch()

    result = invoke("call", f"{url}{words[0]}", *words[1:])

    assert expected in one_line(result)
    assert result.exit_code == status


def test_a_stream_that_is_not_shown_is_closed(url: str, invoke: Invoke) -> None:
    before = _sockets()

    result = invoke("call", f"{url}/spell", "text=a", "-o", "x")

    assert result.exit_code == 2
    assert not _sockets() - before


def _sockets() -> set[str]:
    links = map(_link, Path("/proc/self/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}


def _link(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:  # the one by which the folder was read
        return ""


@pytest.mark.parametrize("command", ["call", "jobs"])
def test_a_service_that_is_not_there_is_reported_in_one_line(invoke: Invoke, command: str) -> None:
    result = invoke(command, f"localhost:{free_port()}")

    assert "No service answers at http://localhost:" in one_line(result)
    assert result.exit_code == 1


@pytest.fixture(scope="module")
def closed_url() -> Iterator[str]:
    """The address of the same service where it asks for keys."""
    command = [sys.executable, "-m", "aylien_model_serving", "run", "tests.cli.services:app", "--quiet"]
    command += ["--port", "{port}", "--workers", "1"]
    keys = f"ann:{'a' * 20},admin:root:{'r' * 20}"
    env = {"MODEL_SERVING_API_KEYS": keys, "MODEL_SERVING_JOBS_URL": "memory://"}
    with launch(command, env=env, cwd=PROJECT, ready="/readyz") as service:
        yield service.url


def test_a_missing_key_is_reported_with_the_option_that_gives_one(
    closed_url: str, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = invoke("call", f"{closed_url}/add", "a=1")
    monkeypatch.setenv("MODEL_SERVING_API_KEY", "a" * 20)
    allowed = invoke("call", f"{closed_url}/add", "a=1")

    assert "answered 401 unauthorized: " in one_line(refused)
    assert "; here, by --api-key or MODEL_SERVING_API_KEY (request " in one_line(refused)
    assert allowed.exit_code == 0


def test_an_administrator_sees_whose_each_job_is(closed_url: str, invoke: Invoke) -> None:
    job_id = invoke("call", f"{closed_url}/bake", "name=cake", "--no-wait", "--api-key", "a" * 20).stdout

    lines = invoke("jobs", closed_url, "--api-key", "r" * 20).stdout.splitlines()

    assert [line.split()[4] for line in lines if line.startswith(job_id.strip())] == ["ann"]


@pytest.mark.parametrize("url", ["ftp://localhost/x", "http://", "localhost:port/x"])
def test_what_is_no_url_is_reported(invoke: Invoke, url: str) -> None:
    assert "is no URL of a service" in one_line(invoke("call", url))


def test_a_missing_client_is_reported_with_what_brings_it(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("aylien_model_serving.client")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx", None)

    line = one_line(invoke("call", "localhost:8000/add"))

    assert "pip install 'model-serving[client]'" in line

"""A service's gRPC server with real clients: streams, deadlines, keys, TLS, and the processes behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.selection import full, matrix
from tests.services.certificates import self_signed
from tests.services.serving import PROJECT, Service, free_port, launch, serve
from tests.services.speech_pb2 import Letter, Text, Told
from tests.with_grpc_js import find_modules

pytestmark = pytest.mark.processes

#: Seconds that an answer may take on a busy machine.
SECONDS = 60.0

APP = "tests.services.grpc_apps:app"


class Speech(NamedTuple):
    """A service that runs, and a channel to its gRPC server."""

    service: Service
    channel: grpc.Channel
    port: int
    diary: Path

    def call(self, method: str, text: str, kind: Any = Told, **options: Any) -> Any:
        stub = self.channel.unary_unary(
            f"/speech.{method}",
            request_serializer=Text.SerializeToString,
            response_deserializer=kind.FromString,
        )
        return stub(Text(text=text), **{"timeout": SECONDS, "wait_for_ready": True, **options})

    def with_call(self, method: str, text: str, **options: Any) -> tuple[Any, grpc.Call]:
        stub = self.channel.unary_unary(
            f"/speech.{method}",
            request_serializer=Text.SerializeToString,
            response_deserializer=Told.FromString,
        )
        answered: tuple[Any, grpc.Call] = stub.with_call(
            Text(text=text), **{"timeout": SECONDS, "wait_for_ready": True, **options}
        )
        return answered

    def spell(self, text: str) -> Any:
        stub = self.channel.unary_stream(
            "/speech.Speech/Spell",
            request_serializer=Text.SerializeToString,
            response_deserializer=Letter.FromString,
        )
        return stub(Text(text=text), timeout=SECONDS, wait_for_ready=True)

    def noted(self) -> list[str]:
        return self.diary.read_text().splitlines()

    def health(self, name: str = "") -> Any:
        request = health_pb2.HealthCheckRequest(service=name)
        return (
            health_pb2_grpc.HealthStub(self.channel)
            .Check(request, timeout=SECONDS, wait_for_ready=True)
            .status
        )

    def grpc_process(self) -> int:
        pid: int = self.call("Speech/Say", "who").pid
        return pid


@contextmanager
def speech(
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    target: str = APP,
    **options: Any,
) -> Iterator[Speech]:
    diary, port = folder / "diary", free_port()
    diary.touch()
    settings = {"DIARY": str(diary), "MODEL_SERVING_GRPC_PORT": str(port), **(env or {})}
    place = f"127.0.0.1:{port}"
    with serve(target, **{"worker_class": "asgi", "env": settings, **options}) as service:
        channel = (
            grpc.insecure_channel(place) if credentials is None else grpc.secure_channel(place, credentials)
        )
        with channel:
            yield Speech(service, channel, port, diary)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speech]:
    with speech(tmp_path_factory.mktemp("speech")) as running:
        yield running


def refused(call: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value


def test_a_stream_comes_item_by_item(shared: Speech) -> None:
    letters = shared.spell("abc")

    assert [item.letter for item in letters] == ["a", "b", "c"]


def test_an_error_within_a_stream_ends_it_with_its_code(shared: Speech) -> None:
    letters = shared.spell("a!")

    assert next(letters).letter == "a"
    error = refused(next, letters)
    assert (error.code(), error.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "An exclamation mark can't be spelt",
    )


def test_a_client_that_cancels_a_stream_ends_its_handler(shared: Speech) -> None:
    letters = shared.spell("a.")
    assert [next(letters).letter, next(letters).letter] == ["a", "."]
    shared.service.wait_until(lambda: "waits" in shared.noted())

    letters.cancel()

    shared.service.wait_until(lambda: "was cancelled" in shared.noted())


def test_a_handler_takes_messages_one_by_one(shared: Speech) -> None:
    stub = shared.channel.stream_unary("/speech.Speech/Join", Letter.SerializeToString, Told.FromString)

    told = stub((Letter(letter=one) for one in "abc"), timeout=SECONDS, wait_for_ready=True)

    assert told.text == "abc"


def test_a_handler_may_answer_before_its_client_has_sent_all(shared: Speech) -> None:
    stub = shared.channel.stream_unary("/speech.Speech/Join", Letter.SerializeToString, Told.FromString)

    def letters() -> Iterator[Letter]:
        yield Letter(letter=".")
        shared.service.wait_until(lambda: "joined 1" in shared.noted())

    assert stub(letters(), timeout=SECONDS, wait_for_ready=True).text == "."


def test_an_error_of_a_handler_ends_a_stream_of_messages(shared: Speech) -> None:
    stub = shared.channel.stream_unary("/speech.Speech/Join", Letter.SerializeToString, Told.FromString)

    error = refused(stub, (Letter(letter=one) for one in "a!"), timeout=SECONDS, wait_for_ready=True)

    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "That is enough")


def test_a_message_of_a_stream_that_is_none_is_refused(shared: Speech) -> None:
    stub = shared.channel.stream_unary("/speech.Speech/Join")

    error = refused(stub, iter([b"\xff\xff"]), timeout=SECONDS, wait_for_ready=True)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_handler_whose_client_leaves_within_a_stream_ends(shared: Speech) -> None:
    stub = shared.channel.stream_unary("/speech.Speech/Join", Letter.SerializeToString, Told.FromString)
    has_left, before = threading.Event(), shared.noted().count("joins")

    def letters() -> Iterator[Letter]:
        yield Letter(letter="a")
        has_left.wait(SECONDS)

    future = stub.future(letters(), wait_for_ready=True)
    shared.service.wait_until(lambda: shared.noted().count("joins") == before + 1)

    future.cancel()
    has_left.set()

    threads = Path(f"/proc/{shared.grpc_process()}/task")
    shared.service.wait_until(lambda: len(list(threads.iterdir())) < 100)
    assert shared.call("Speech/Say", "still here").text == "still here"


def test_messages_go_both_ways_in_turn(shared: Speech) -> None:
    async def talk() -> list[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{shared.port}") as channel:
            stub = channel.stream_stream("/speech.Speech/Echo", Text.SerializeToString, Text.FromString)
            call, heard = stub(timeout=SECONDS, wait_for_ready=True), []
            for word in ("one", "two", "three"):
                await call.write(Text(text=word))
                heard.append((await call.read()).text)
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
            return heard

    assert asyncio.run(talk()) == ["ONE", "TWO", "THREE"]


@pytest.mark.parametrize("path", ["/join", "/echo"])
def test_by_http_a_stream_is_an_array(shared: Speech, path: str) -> None:
    fields = {"/join": "letter", "/echo": "text"}[path]

    answer = shared.service.post(path, json=[{fields: "a"}, {fields: "b"}])

    assert answer.status_code == 200
    texts = [json.loads(line)["text"] for line in answer.text.splitlines()]
    assert texts == {"/join": ["ab"], "/echo": ["A", "B"]}[path]


@pytest.mark.parametrize("body", [{"letter": "a"}, [1], "a", [{"letter": 1}], [{"sound": "a"}]])
def test_by_http_what_is_no_array_of_messages_is_refused(shared: Speech, body: Any) -> None:
    assert shared.service.post("/join", json=body).status_code == 400


def test_a_client_that_cancels_a_call_ends_its_handler(shared: Speech) -> None:
    stub = shared.channel.unary_unary("/speech.ModelService/Wait", Text.SerializeToString, Text.FromString)
    future = stub.future(Text(text="first"), wait_for_ready=True)
    shared.service.wait_until(lambda: "first began" in shared.noted())

    future.cancel()

    shared.service.wait_until(lambda: "first was cancelled" in shared.noted())


def test_a_clients_deadline_is_that_of_the_handler(shared: Speech) -> None:
    error = refused(shared.call, "ModelService/Wait", "second", Text, timeout=1)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    shared.service.wait_until(lambda: "second was cancelled" in shared.noted())


def test_a_call_has_the_id_that_its_client_chose(shared: Speech) -> None:
    told, call = shared.with_call("Speech/Say", "hello", metadata=[("x-request-id", "one-of-mine")])

    assert told.request_id == "one-of-mine"
    assert ("x-request-id", "one-of-mine") in [tuple(pair) for pair in call.trailing_metadata()]


def test_a_handler_reads_metadata_as_headers(shared: Speech) -> None:
    assert (
        shared.call("Speech/Say", "hello", metadata=[("x-language", ", in German")]).text
        == "hello, in German"
    )


def test_a_model_in_a_runner_is_loaded_once_for_http_and_grpc(shared: Speech) -> None:
    by_grpc = shared.call("Speech/Repeat", "hello").pid
    by_http = shared.service.post("/repeat", json={"text": "hello"}).json()["pid"]

    assert by_grpc == by_http
    assert len([line for line in shared.noted() if line.startswith("loaded in")]) == 1


def test_messages_that_are_none_are_refused(shared: Speech) -> None:
    stub = shared.channel.unary_unary("/speech.Speech/Say")

    error = refused(stub, b"\xff\xff\xff", timeout=SECONDS, wait_for_ready=True)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no protobuf message" in error.details() or "is not a protobuf message" in error.details()


def test_a_method_that_is_none_is_not_implemented(shared: Speech) -> None:
    assert refused(shared.call, "Speech/Sing", "la").code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_above_the_limit_is_refused_before_it_is_read(shared: Speech) -> None:
    error = refused(shared.call, "Speech/Say", "x" * 9_000_000)

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_small_message_that_unpacks_to_a_large_one_is_refused(shared: Speech) -> None:
    error = refused(shared.call, "Speech/Say", "x" * 50_000_000, compression=grpc.Compression.Gzip)

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_health_is_told_of_the_server_and_of_each_service(shared: Speech) -> None:
    shared.service.wait_until(lambda: shared.health() == health_pb2.HealthCheckResponse.SERVING)

    assert shared.health("speech.Speech") == health_pb2.HealthCheckResponse.SERVING
    assert refused(shared.health, "speech.Song").code() is grpc.StatusCode.NOT_FOUND


def test_reflection_tells_of_own_and_generated_services(shared: Speech) -> None:
    found = ProtoReflectionDescriptorDatabase(shared.channel)

    assert set(found.get_services()) >= {"speech.Speech", "speech.ModelService", "grpc.health.v1.Health"}
    file = found.FindFileContainingSymbol("speech.ModelService")
    assert [method.name for method in file.service[0].method] == ["Wait"]


def test_calls_are_counted_with_those_of_http(shared: Speech) -> None:
    shared.call("Speech/Say", "counted")

    def counted() -> float:
        lines = shared.service.get("/metrics").text.splitlines()
        series = (line for line in lines if line.startswith("flask_http_request_duration_seconds_count"))
        return sum(float(line.rpartition(" ")[2]) for line in series if 'endpoint="say"' in line)

    shared.service.wait_until(lambda: counted() >= 1)


def test_asyncio_clients_are_answered_side_by_side(shared: Speech) -> None:
    async def ask_many() -> list[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{shared.port}") as channel:
            stub = channel.unary_unary("/speech.Speech/Say", Text.SerializeToString, Told.FromString)
            answers = await asyncio.gather(*(stub(Text(text=str(n)), timeout=SECONDS) for n in range(200)))
        return [answer.text for answer in answers]

    assert asyncio.run(ask_many()) == [str(n) for n in range(200)]


def test_a_grpc_server_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with speech(tmp_path) as running:
        first = running.grpc_process()

        os.kill(first, signal.SIGKILL)

        running.service.wait_until(lambda: _pid_or_none(running) not in (None, first))
        assert len([line for line in running.noted() if line.startswith("loaded in")]) == 1


def _pid_or_none(running: Speech) -> int | None:
    try:
        return running.grpc_process()
    except grpc.RpcError:
        return None


def test_a_reload_loses_no_call(tmp_path: Path) -> None:
    with speech(tmp_path, workers=1) as running:
        first = running.grpc_process()
        os.kill(running.service.pid, signal.SIGHUP)

        running.service.wait_until(
            lambda: running.grpc_process() != first
        )  # which raises what a call fails by
        running.service.wait_until(lambda: running.grpc_process() and not Path(f"/proc/{first}").exists())


@full
def test_a_reload_loses_no_call_of_many_clients(tmp_path: Path) -> None:
    with speech(tmp_path, workers=1) as running:
        pids, errors, is_over = {running.grpc_process()}, [], threading.Event()

        def ask_on() -> None:
            with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
                client = Speech(running.service, channel, running.port, running.diary)
                while not is_over.is_set():
                    try:
                        pids.add(client.grpc_process())
                    except grpc.RpcError as error:
                        errors.append((error.code(), error.details()))

        clients = [threading.Thread(target=ask_on) for _ in range(12)]
        for client in clients:
            client.start()
        try:
            for number in range(2, 5):
                os.kill(running.service.pid, signal.SIGHUP)
                running.service.wait_until(lambda number=number: len(pids) == number)
        finally:
            is_over.set()
            for client in clients:
                client.join(SECONDS)

        assert errors == []


def test_keys_are_needed_by_all_but_health(tmp_path: Path) -> None:
    key = "a-key-that-is-long-enough"
    with speech(tmp_path, env={"MODEL_SERVING_API_KEYS": f"anna:{key}"}) as running:
        assert refused(running.call, "Speech/Say", "hi").code() is grpc.StatusCode.UNAUTHENTICATED
        wrong = [("x-api-key", "another key")]
        assert refused(running.call, "Speech/Say", "hi", metadata=wrong).code() is (
            grpc.StatusCode.PERMISSION_DENIED
        )
        assert (
            running.call("Speech/Say", "hi", metadata=[("authorization", f"Bearer {key}")]).caller == "anna"
        )
        assert running.call("Speech/Repeat", "hi", metadata=[("x-api-key", key)]).caller == "anna"
        assert running.health() in (
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        )
        with pytest.raises(grpc.RpcError):
            ProtoReflectionDescriptorDatabase(running.channel).get_services()


@full
@pytest.mark.parametrize("worker_class", ["gthread", "gevent", "sync"])
def test_every_kind_of_web_worker_has_it(tmp_path: Path, worker_class: str) -> None:
    with speech(tmp_path, worker_class=worker_class) as running:
        assert running.call("Speech/Repeat", "hello").text == "hello"


@full
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_granian_has_it(tmp_path: Path, interface: str) -> None:
    port, diary = free_port(), tmp_path / "diary"
    diary.touch()
    words = ["-m", "granian", "--interface", interface, "--port", "{port}", "--workers", "2", APP]
    env = {"DIARY": str(diary), "MODEL_SERVING_GRPC_PORT": str(port)}
    with (
        launch([sys.executable, *words], env=env) as service,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        assert Speech(service, channel, port, diary).call("Speech/Repeat", "hello").text == "hello"


@full
def test_hooks_of_flask_see_every_call_and_all_streams_pass(tmp_path: Path) -> None:
    with speech(tmp_path, env={"HOOKED": "1"}) as running:
        options = {"timeout": SECONDS, "wait_for_ready": True}
        join = running.channel.stream_unary("/speech.Speech/Join", Letter.SerializeToString, Told.FromString)
        echo = running.channel.stream_stream("/speech.Speech/Echo", Text.SerializeToString, Text.FromString)

        assert running.call("Speech/Say", "hello").text == "hello"
        assert [item.letter for item in running.spell("abc")] == ["a", "b", "c"]
        assert join((Letter(letter=one) for one in "abc"), **options).text == "abc"
        assert [item.text for item in echo((Text(text=one) for one in "abc"), **options)] == ["A", "B", "C"]
        for path in ("/say", "/spell", "/join", "/echo"):
            assert f"a hook has seen {path}" in running.noted()


@full
def test_changed_code_is_served_after_a_reload(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("WORD = 'old'\n")
    (tmp_path / "reloaded.py").write_text(
        "import words\n"
        "from tests.services.speech_pb2 import Text\n"
        "from aylien_model_serving.app_factory import FlaskAppWrapper\n"
        "def say(text: Text) -> Text:\n"
        "    return Text(text=words.WORD)\n"
        "app = FlaskAppWrapper.create_app([{'endpoint': '/say', 'callable': say}])\n"
    )
    env = {"PYTHONPATH": f"{PROJECT}:{tmp_path}"}
    with speech(tmp_path, target="reloaded:app", env=env, cwd=tmp_path, args=["--reload"]) as running:
        assert running.call("ModelService/Say", "", Text).text == "old"

        (tmp_path / "words.py").write_text("WORD = 'newer'\n")

        running.service.wait_until(lambda: running.call("ModelService/Say", "", Text).text == "newer")


@full
def test_an_app_that_a_factory_makes_has_it(tmp_path: Path) -> None:
    with speech(tmp_path, target="tests.services.grpc_apps:create_app()") as running:
        assert running.call("Speech/Repeat", "hello").text == "hello"


@full
def test_several_processes_share_the_port(tmp_path: Path) -> None:
    with speech(tmp_path, env={"MODEL_SERVING_GRPC_WORKERS": "3"}) as running:

        def pids() -> set[int]:
            found = set()
            for _ in range(20):
                with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
                    found.add(Speech(running.service, channel, running.port, running.diary).grpc_process())
            return found

        running.service.wait_until(lambda: len(pids()) == 3)


@full
def test_what_can_not_be_is_said_in_the_log(tmp_path: Path) -> None:
    with speech(tmp_path, env={"MODEL_SERVING_GRPC_CERTFILE": str(tmp_path / "none.pem")}) as running:
        running.service.wait_until(lambda: "TLS needs both" in running.service.log())
        assert running.service.post("/say", json={"text": "hello"}).status_code == 200


@pytest.mark.parametrize("knows_clients", matrix([False, True], True), ids=["TLS", "mTLS"])
def test_clients_are_reached_by_tls_alone_and_known_by_their_certificates(
    tmp_path: Path, knows_clients: bool
) -> None:
    server, client = self_signed(tmp_path, "server"), self_signed(tmp_path, "client")
    env = {
        "MODEL_SERVING_GRPC_CERTFILE": str(server.certfile),
        "MODEL_SERVING_GRPC_KEYFILE": str(server.keyfile),
    }
    if knows_clients:
        env["MODEL_SERVING_GRPC_CLIENT_CA"] = str(client.certfile)
    root = server.certfile.read_bytes()
    known = grpc.ssl_channel_credentials(root, client.keyfile.read_bytes(), client.certfile.read_bytes())

    with speech(tmp_path, env=env, credentials=known) as running:
        assert running.call("Speech/Say", "hello").text == "hello"
        place = f"127.0.0.1:{running.port}"
        strangers = [grpc.insecure_channel(place)]
        if knows_clients:
            strangers.append(grpc.secure_channel(place, grpc.ssl_channel_credentials(root)))
        for channel in strangers:
            with channel:
                other = running._replace(channel=channel)
                error = refused(other.call, "Speech/Say", "hello", wait_for_ready=False)
                assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_stubs_are_made_of_what_the_service_offers(shared: Speech, tmp_path: Path) -> None:
    """As its guide says: by protoc, of the descriptors that it answers with."""
    (tmp_path / "service.protoset").write_bytes(shared.service.get("/service.protoset").content)
    words = ["--descriptor_set_in=service.protoset", "--python_out=.", "--grpc_python_out=."]
    files = ["service.proto", "tests/services/speech.proto"]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", *words, *files]
    subprocess.run(protoc, cwd=tmp_path, check=True, timeout=SECONDS)
    for package in ("tests", "tests/services"):  # some distribution may have a package of that name
        (tmp_path / package / "__init__.py").touch()
    program = (
        "import grpc\n"
        "from service_pb2_grpc import ModelServiceStub\n"
        "from tests.services.speech_pb2 import Text\n"
        "from tests.services.speech_pb2_grpc import SpeechStub\n"
        f"with grpc.insecure_channel('127.0.0.1:{shared.port}') as channel:\n"
        f"    said = SpeechStub(channel).Say(Text(text='hello'), timeout={SECONDS}, wait_for_ready=True)\n"
        "    print(said.text)\n"
        "    assert ModelServiceStub(channel).Wait\n"
    )

    made = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS
    )

    assert (made.stdout.strip(), made.stderr) == ("hello", "")
    assert "rpc Wait(.speech.Text) returns (.speech.Text);" in shared.service.get("/service.proto").text


@full
def test_a_client_of_node_js_is_answered(shared: Speech, tmp_path: Path) -> None:
    descriptors = tmp_path / "service.protoset"
    descriptors.write_bytes(shared.service.get("/service.protoset").content)
    client = Path(__file__).parent / "grpc_js" / "client.js"

    done = subprocess.run(
        ["node", client, find_modules(), str(shared.port), descriptors],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert json.loads(done.stdout) == {
        "error": None,
        "text": "hello",
        "id": "from-node",
        "letters": ["a", "b"],
        "refused": {"code": 3, "details": "An exclamation mark can't be spelt"},
    }

"""The decoders of a process: how many there are, who waits, and what ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.decoding import pool as pools
from aylien_model_serving.decoding.pool import DecoderPool
from aylien_model_serving.decoding.processes import environment_of
from aylien_model_serving.errors import DeadlineExceeded, FileTooLarge, SchemaMismatch, Unavailable
from aylien_model_serving.media import AudioFile, ImageFile, VideoFile
from aylien_model_serving.process import server_threads
from tests.decoding import bombs
from tests.media import samples
from tests.services.hosts import wait_until
from tests.with_media import need_media

pytestmark = pytest.mark.processes


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[DecoderPool]:
    """A pool that the test has for itself, of one decoder."""
    need_media()
    own = DecoderPool(1)
    monkeypatch.setattr(pools, "_pools", {os.getpid(): own})
    yield own
    for decoder in own._idle:
        own.end(decoder)


def sent(content: bytes, deadline: float | None = None) -> ImageFile:
    image = ImageFile.from_any(content)
    image.set_field("photo")
    if deadline is not None:
        image.set_deadline(time.monotonic() + deadline)
    return image


def pid_of(pool: DecoderPool) -> int:
    [decoder] = pool._idle
    return decoder.pid


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_one_decoder_serves_one_file_after_the_other(pool: DecoderPool) -> None:
    pids = set()
    for _ in range(3):
        sent(samples.image()).to_np_array()
        pids.add(pid_of(pool))

    assert len(pids) == 1


def test_no_decoder_is_started_before_it_is_needed(pool: DecoderPool) -> None:
    sent(samples.image())

    assert pool._idle == []


def test_many_threads_share_the_decoders(pool: DecoderPool) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(sent(samples.image()).to_np_array().shape))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [(24, 32, 3)] * 12
    assert len(pool._idle) == 1


def test_who_finds_all_decoders_at_work_is_told_to_come_back(pool: DecoderPool) -> None:
    with (
        pool.slot(time.monotonic() + 1),
        pytest.raises(Unavailable, match="Too many files are being decoded") as refusal,
    ):
        sent(samples.image(), deadline=0.05).to_np_array()

    assert ("Retry-After", "1") in refusal.value.headers()
    assert sent(samples.image()).to_np_array().shape == (24, 32, 3)


def test_a_quarter_of_a_servers_threads_is_left_to_others(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_threads, "_threads", {os.getpid(): 32})
    image = sent(samples.image())

    pool._callers = 23
    assert image.to_np_array().shape == (24, 32, 3)
    pool._callers = 24
    with pytest.raises(Unavailable, match="Too many files are being decoded"):
        image.to_np_array()

    assert pool._callers == 24


def test_a_decode_ends_at_the_deadline_and_so_does_its_process(pool: DecoderPool) -> None:
    sent(samples.image()).to_np_array()
    pid = pid_of(pool)

    with pytest.raises(DeadlineExceeded):
        sent(bombs.slow_bmp(), deadline=0.3).to_np_array()

    wait_until(lambda: is_gone(pid))
    assert sent(samples.image()).to_np_array().shape == (24, 32, 3)


def test_a_deadline_that_passes_while_a_decoder_starts_leaves_it_for_the_next(pool: DecoderPool) -> None:
    with pytest.raises(DeadlineExceeded):
        sent(samples.image(), deadline=0.001).to_np_array()
    pid = pid_of(pool)

    sent(samples.image()).to_np_array()
    assert pid_of(pool) == pid


def test_no_module_comes_from_the_working_folder(
    pool: DecoderPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise RuntimeError('a client wrote this')")
    (tmp_path / "soundfile.py").write_text("raise RuntimeError('a client wrote this')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    assert sent(samples.image()).to_np_array().shape == (24, 32, 3)
    assert AudioFile.from_any(samples.audio()).sample_rate == samples.SAMPLE_RATE


def test_a_broken_file_keeps_its_decoder(pool: DecoderPool) -> None:
    sent(samples.image()).to_np_array()
    pid = pid_of(pool)

    with pytest.raises(SchemaMismatch):
        sent(samples.image()[:100]).to_np_array()

    assert pid_of(pool) == pid


def test_a_decoder_that_died_between_two_files_is_replaced(pool: DecoderPool) -> None:
    sent(samples.image()).to_np_array()
    pid = pid_of(pool)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")

    assert sent(samples.image()).to_np_array().shape == (24, 32, 3)
    assert pid_of(pool) != pid
    wait_until(lambda: is_gone(pid))


def test_a_decoder_that_nobody_needs_ends(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(samples.image()).to_np_array()
    pid = pid_of(pool)
    pool._end_idle()
    assert pid_of(pool) == pid

    monkeypatch.setattr(pools, "_IDLE_SECONDS", 0.0)
    pool._end_idle()

    wait_until(lambda: is_gone(pid))


def test_a_decoder_that_can_not_be_started_is_an_error_of_the_service(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aylien_model_serving.decoding.processes._MODULE", "no.such.module")

    with pytest.raises(RuntimeError, match="does not start"):
        sent(samples.image()).to_np_array()


def test_a_videos_frames_leave_its_slot_to_others(pool: DecoderPool) -> None:
    first = VideoFile.from_any(samples.video()).frames()
    second = VideoFile.from_any(samples.video()).frames()

    pairs = list(zip(first, second, strict=True))

    assert len(pairs) == 12
    assert sent(samples.image()).to_np_array().shape == (24, 32, 3)


def test_a_video_that_is_left_early_ends_its_decoder(pool: DecoderPool) -> None:
    frames = VideoFile.from_any(bombs.film("mpeg4", "mp4", 1000, 20)).frames()
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # a generator

    assert pool._idle == []
    assert len(list(VideoFile.from_any(samples.video()).frames())) == 12


def test_no_more_than_eight_videos_are_open(pool: DecoderPool) -> None:
    films = [VideoFile.from_any(samples.video()) for _ in range(9)]
    for film in films:
        film.set_deadline(time.monotonic() + 20)
    opened = [film.frames() for film in films]
    for frames in opened[:8]:
        next(frames)
    films[8].set_deadline(time.monotonic() + 0.05)

    with pytest.raises(Unavailable, match="Too many videos"):
        next(opened[8])

    for frames in opened:
        frames.close()  # type: ignore[attr-defined]  # a generator


def test_frames_come_in_batches_that_are_all_of_the_video(pool: DecoderPool) -> None:
    """Three megabytes each: three of them are a batch."""
    film = VideoFile.from_any(bombs.film("mpeg4", "mp4", 1000, 10))

    assert [frame.shape for frame in film.frames()] == [(1000, 1000, 3)] * 10


def test_more_samples_than_a_decoder_may_send_are_refused(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_DECODED_MB", "1")

    with pytest.raises(FileTooLarge, match="more than the 1,048,576 bytes"):
        sent(samples.png_of(600, 600)).to_np_array()


def test_a_decoders_environment_holds_no_secret() -> None:
    environ = {"PATH": "/bin", "LANG": "C", "MODEL_SERVING_API_KEYS": "a", "AWS_SECRET_ACCESS_KEY": "b"}

    kept = environment_of(environ)

    assert kept["PATH"] == "/bin"
    assert not {"MODEL_SERVING_API_KEYS", "AWS_SECRET_ACCESS_KEY"} & kept.keys()


FORKING = """
import os, sys, warnings
from aylien_model_serving.decoding import pool
from aylien_model_serving.media import ImageFile
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
image = ImageFile.from_file(sys.argv[1])
image.to_np_array()
own = pool.of_process(2)._idle[0].pid
child = os.fork()
if child == 0:
    image.to_np_array()
    os._exit(0 if pool.of_process(2)._idle[0].pid != own else 1)
assert os.waitpid(child, 0)[1] == 0
image.to_np_array()
assert pool.of_process(2)._idle[0].pid == own
print("fine")
"""

GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from aylien_model_serving.media import ImageFile
from aylien_model_serving.process import native_threads
image = ImageFile.from_file(sys.argv[1])
shapes = [greenlet.get() for greenlet in [gevent.spawn(lambda: image.to_np_array().shape) for _ in range(20)]]
assert shapes == [(24, 32, 3)] * 20
threads = [gevent.spawn(native_threads.call, lambda: image.to_np_array().shape) for _ in range(20)]
assert [thread.get() for thread in threads] == shapes
print("fine")
"""

LEAVING = """
import os, sys
from aylien_model_serving.decoding import pool
from aylien_model_serving.media import ImageFile
ImageFile.from_file(sys.argv[1]).to_np_array()
print(pool.of_process(2)._idle[0].pid, flush=True)
os.kill(os.getpid(), 9)
"""


def run(program: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    picture = tmp_path / "a.png"
    picture.write_bytes(samples.image())
    command = [sys.executable, "-W", "error", "-c", program, str(picture)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("program", [FORKING, GREENLETS], ids=["forked", "gevent"])
def test_decoders_work_in_every_world(program: str, tmp_path: Path) -> None:
    done = run(program, tmp_path)

    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_a_decoder_ends_with_its_process(tmp_path: Path) -> None:
    pid = int(run(LEAVING, tmp_path).stdout)

    wait_until(lambda: is_gone(pid), 5)

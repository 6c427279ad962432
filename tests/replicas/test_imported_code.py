"""What a replica reports of its imports, and what a web worker makes of it."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.process import owner
from aylien_model_serving.replicas.client import hosted_code
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.replicas.client.supervisor_start import SupervisorAddress
from aylien_model_serving.replicas.replica.imported_code import ImportedCode
from aylien_model_serving.rpc.code_files import UNCERTAIN, KnownFiles, Stamp, stamp_of
from aylien_model_serving.rpc.spec import Spec
from tests.replicas.stub_service import StubService, spec, wait_until

#: When files were written, in seconds since 1970: well before they are imported.
LONG_AGO = 1_000_000_000


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    yield tmp_path
    sys.meta_path[:] = finders


def write(path: Path, text: str, seconds: float = LONG_AGO) -> str:
    path.write_text(text)
    os.utime(path, (seconds, seconds))
    return str(path)


def test_imports_are_reported_once_also_those_of_a_running_handler(project: Path) -> None:
    reports: list[dict[str, Stamp]] = []
    code = ImportedCode(reports.append)
    code.watch()
    first, later = write(project / "first_one.py", "A = 1"), write(project / "later_one.py", "B = 1")

    __import__("first_one")
    code.report()
    assert reports[-1][first] == stamp_of(first)

    __import__("later_one")
    wait_until(lambda: any(later in report for report in reports))
    assert sum(first in report for report in reports) == 1


def test_a_file_that_was_edited_while_it_was_imported_is_uncertain(project: Path) -> None:
    reports: list[dict[str, Stamp]] = []
    code = ImportedCode(reports.append)
    edited = write(project / "edited_one.py", "A = 1", time.time() + 1)

    __import__("edited_one")
    code.report()

    assert reports[-1][edited] == UNCERTAIN


def test_the_supervisor_keeps_what_replicas_report(service: StubService) -> None:
    worker = service.worker()
    worker.wait_for(worker.host(spec("import code")), "ready")

    found = hosted_code.code_files.read(SupervisorAddress(service.home, 0).code)

    assert found == {"0/model": {"/model.py": (1, 2)}}


@pytest.fixture
def known(project: Path, monkeypatch: pytest.MonkeyPatch) -> KnownFiles:
    """The files of this process's service, none yet."""
    monkeypatch.setenv("TMPDIR", str(project))
    for name in ("_seen", "_further"):
        monkeypatch.setattr(hosted_code, name, {})
    monkeypatch.setattr(hosted_code, "is_reloading", False)
    address = SupervisorAddress(owner.folder(os.getpid()), os.getpid())
    address.folder.mkdir()
    return KnownFiles(address.code)


MODEL = Spec(name="model", target="a:b")


def test_a_change_is_seen_by_the_next_process_of_a_service_that_reloads(
    project: Path, known: KnownFiles
) -> None:
    file = write(project / "helper.py", "A = 1")
    known.add(MODEL, {file: stamp_of(file)})

    hosted_code.begin()
    assert hosted_code.digest_of_changes("0", "model") == ""
    write(project / "helper.py", "A = 22")
    assert hosted_code.digest_of_changes("0", "model") == ""
    assert hosted_code.expected()[file] != stamp_of(file)

    hosted_code._seen.clear()  # as in another process
    assert hosted_code.digest_of_changes("0", "model") != ""
    assert hosted_code.digest_of_changes("0", "other") == ""
    assert hosted_code.expected()[file] == stamp_of(file)


class Model:
    def __call__(self, text: str) -> str:
        return text


@pytest.mark.parametrize("reloads", [True, False])
def test_replicas_of_a_service_that_reloads_report_their_code(
    reloads: bool, known: KnownFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosted: list[Spec] = []
    monkeypatch.setattr(SupervisorClient, "host", lambda self, spec, on_update: hosted.append(spec))
    if reloads:
        monkeypatch.setenv("MODEL_SERVING_RELOAD", "1")

    FlaskAppWrapper.create_app([{"endpoint": "/model", "callable": Model, "runner": True}])

    assert [spec.reports_code for spec in hosted] == [reloads]


def test_other_services_do_not_look(project: Path, known: KnownFiles) -> None:
    file = write(project / "helper.py", "A = 1")
    known.add(MODEL, {file: (1, 1)})

    assert hosted_code.digest_of_changes("0", "model") == ""


def test_a_further_file_changes_all_runners(project: Path, known: KnownFiles) -> None:
    file = write(project / "data.txt", "1")
    hosted_code.begin([file])
    before = hosted_code.digest_of_changes("0", "model")

    write(project / "data.txt", "22")
    hosted_code.begin([file])

    assert before != hosted_code.digest_of_changes("0", "model") != ""

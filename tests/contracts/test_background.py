"""Background tasks behave alike behind all adapters: they run after their response has been sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aylien_model_serving.background import pool
from tests.contracts.adapters import ADAPTERS, ServiceByAdapter, environ_of
from tests.contracts.background import DIARY, TASKS, expected, service
from tests.contracts.cases import HELLO, post
from tests.contracts.comparison import assert_equal_responses
from tests.executors.engines import wait_until


@pytest.fixture(scope="module")
def by_adapter() -> ServiceByAdapter:
    return ServiceByAdapter(service, {})


@pytest.fixture(autouse=True)
def _diary() -> Iterator[None]:
    pool.finish()
    DIARY.clear()
    yield
    pool.finish()


@pytest.mark.parametrize("name", TASKS)
def test_tasks_run_in_order_for_the_answer_that_they_belong_to(
    name: str, by_adapter: ServiceByAdapter
) -> None:
    case, tasks = TASKS[name]

    assert_equal_responses(by_adapter, case)

    pool.finish()
    assert expected(tasks, len(ADAPTERS)) == {entry: DIARY.count(entry) for entry in DIARY}
    assert [words for words, _ in DIARY] == tasks * len(ADAPTERS)


@pytest.mark.parametrize("adapter", [name for name in ADAPTERS if "asgi" not in name])
def test_a_task_waits_until_the_server_has_sent_the_answer(
    adapter: str, by_adapter: ServiceByAdapter
) -> None:
    by_adapter.send(adapter, post("/answer", HELLO))
    pool.finish()
    DIARY.clear()
    path = pool.counts()["taken"]

    produced = by_adapter.app(adapter)(environ_of(post("/answer", HELLO)), lambda *_: None)
    body = b"".join(produced)

    assert body == b'{"text":"hello"}'
    assert pool.counts()["taken"] == path
    produced.close()
    assert pool.counts()["taken"] == path + 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_answer_does_not_wait_for_the_tasks_of_another(adapter: str, by_adapter: ServiceByAdapter) -> None:
    may_end: list[bool] = []
    pool.BackgroundBatch([lambda: wait_until(lambda: bool(may_end))], "-")()

    answers = [by_adapter.send(adapter, post("/answer", HELLO)).status for _ in range(3)]

    assert answers == [200] * 3
    assert not DIARY
    may_end.append(True)
    pool.finish()
    assert len(DIARY) == 3

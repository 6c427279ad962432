"""The dashboard's data: one snapshot a second for all clients, and the counts of all workers."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.samples import Sample

from aylien_model_serving.process import lifecycle
from aylien_model_serving.web.dashboard import counts
from aylien_model_serving.web.dashboard.feed import MAX_STREAMS, PERIOD, STREAM_SECONDS, Feed


class Clock:
    """Time that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class TestFeed:
    """Streams of one process."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def feed(self, clock: Clock) -> Feed:
        self.taken = 0

        def take() -> bytes:
            self.taken += 1
            return b"%d" % self.taken

        return Feed(take, clock, clock.sleep)

    def test_all_clients_share_one_snapshot_a_second(self, feed: Feed, clock: Clock) -> None:
        same = {feed.latest() for _ in range(5)}
        clock.sleep(PERIOD)

        assert same == {b"retry: 1000\ndata: 1\n\n"}
        assert feed.latest() == b"retry: 1000\ndata: 2\n\n"

    def test_a_stream_ends_after_a_while(self, feed: Feed, clock: Clock) -> None:
        begun = clock()

        events = list(feed.events(feed.latest(), streaming=True))

        assert len(events) == len(set(events)) == 1 + STREAM_SECONDS / PERIOD
        assert clock() - begun == STREAM_SECONDS

    def test_where_waiting_would_block_others_one_event_is_all(self, feed: Feed) -> None:
        assert len(list(feed.events(feed.latest(), streaming=False))) == 1

    def test_beyond_the_limit_of_streams_a_client_gets_one_event(self, feed: Feed) -> None:
        streams = [feed.events(b"first", streaming=True) for _ in range(MAX_STREAMS)]
        for stream in streams:
            assert next(stream) == b"first"
            next(stream)

        assert len(list(feed.events(b"first", streaming=True))) == 1
        streams[0].close()  # type: ignore[attr-defined]  # a generator, which is all that close asks for

        assert len(list(feed.events(b"first", streaming=True))) > 1

    def test_a_stream_ends_when_its_process_is_draining(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = feed.events(feed.latest(), streaming=True)
        next(stream)
        next(stream)
        monkeypatch.setattr(lifecycle, "_drain_checks", [lambda: True])

        assert list(stream) == []


class TestCounts:
    """Samples → counts."""

    @pytest.fixture
    def bucket(self) -> Callable[..., Sample]:
        def make(method: str, le: str, value: float) -> Sample:
            return Sample("h_bucket", {"endpoint": "e", "method": method, "le": le}, value)

        return make

    def test_buckets_are_separated_and_added_up_over_other_labels(self, bucket: Any) -> None:
        samples = counts.by_name(
            [
                *(bucket("GET", le, value) for le, value in (("0.1", 1), ("1.0", 3), ("+Inf", 4))),
                *(bucket("POST", le, value) for le, value in (("+Inf", 5), ("0.1", 5), ("1.0", 5))),
                Sample("h_sum", {"endpoint": "e", "method": "GET"}, 2.5),
                Sample("h_sum", {"endpoint": "e", "method": "POST"}, 0.25),
            ]
        )

        assert counts.histograms(samples, "h", "endpoint") == {
            "bounds": [0.1, 1.0],
            "of": {"e": {"sum": 2.75, "counts": [6, 2, 1]}},
        }

    def test_a_series_without_samples_is_empty(self) -> None:
        assert counts.histograms({}, "h", "endpoint") == {"bounds": [], "of": {}}
        assert counts.table({}, "c", "endpoint", "result") == {}

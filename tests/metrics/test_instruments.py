"""The series of a service: names, labels, and what is left out."""

import re

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from aylien_model_serving.metrics.instruments import UNMATCHED, Instruments

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(instruments: Instruments, *names: str) -> Series:
    body, media_type = instruments.scrape("", list(names))
    assert media_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def series(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_a_request_is_counted_by_method_status_and_endpoint() -> None:
    instruments = Instruments()

    instruments.count_request("POST", 200, "classify", 0.02)
    instruments.count_request("POST", 200, "classify", 0.03)
    instruments.count_request("GET", 404, UNMATCHED, 0.001)

    found = scrape(instruments)
    labels = {"method": "POST", "status": "200", "endpoint": "classify"}
    duration = "flask_http_request_duration_seconds"
    assert found[series(f"{duration}_count", **labels)] == 2
    assert found[series(f"{duration}_sum", **labels)] == pytest.approx(0.05)
    assert found[series(f"{duration}_bucket", **labels, le="0.025")] == 1
    assert found[series(f"{duration}_bucket", **labels, le="+Inf")] == 2
    assert found[series("flask_http_request_total", method="POST", status="200")] == 2
    assert found[series("flask_http_request_total", method="GET", status="404")] == 1
    assert found[series(f"{duration}_count", method="GET", status="404", endpoint="unmatched")] == 1


def test_faults_cache_and_handlers_have_series_of_their_own() -> None:
    instruments = Instruments()

    instruments.count_exception("POST", 500)
    instruments.count_cache("classify", "hit")
    instruments.count_cache("classify", "hit")
    instruments.count_cache("classify", "miss")

    found = scrape(instruments)
    assert found[series("flask_http_request_exceptions_total", method="POST", status="500")] == 1
    assert found[series("model_serving_cache_total", endpoint="classify", result="hit")] == 2
    assert found[series("model_serving_cache_total", endpoint="classify", result="miss")] == 1


def test_the_time_of_a_handler_and_its_pace_are_shown() -> None:
    instruments = Instruments()
    handler = instruments.of_handler("classify")

    handler.ran(0.5)
    handler.speed_changed(True)

    found = scrape(instruments)
    assert found[series("model_serving_handler_seconds_count", endpoint="classify")] == 1
    assert found[series("model_serving_handler_seconds_sum", endpoint="classify")] == 0.5
    assert found[series("model_serving_handler_quick", endpoint="classify")] == 1


def test_methods_that_clients_invent_share_a_label() -> None:
    instruments = Instruments()

    for number in range(1000):
        instruments.count_request(f"BREW{number}", 405, UNMATCHED, 0.001)
        instruments.count_exception(f"BREW{number}", 500)

    found = scrape(instruments)
    assert found[series("flask_http_request_total", method="other", status="405")] == 1000
    assert found[series("flask_http_request_exceptions_total", method="other", status="500")] == 1000
    assert {dict(labels).get("method") for _, labels in found} <= {None, "other"}


def test_statuses_that_clients_invent_share_a_label() -> None:
    instruments = Instruments()

    for number in range(1000):
        instruments.count_request("GET", 600 + number, "echo", 0.001)
        instruments.count_exception("GET", 600 + number)
    instruments.count_request("GET", 599, "echo", 0.001)

    found = scrape(instruments)
    assert found[series("flask_http_request_total", method="GET", status="other")] == 1000
    assert found[series("flask_http_request_exceptions_total", method="GET", status="other")] == 1000
    assert {dict(labels).get("status") for _, labels in found} <= {None, "other", "599"}
    assert len(instruments._requests) == 1


def test_two_services_of_a_process_do_not_see_each_others_series() -> None:
    one, other = Instruments(), Instruments()

    one.count_request("POST", 200, "mine", 0.1)

    assert ("endpoint", "mine") in {label for _, labels in scrape(one) for label in labels}
    assert ("endpoint", "mine") not in {label for _, labels in scrape(other) for label in labels}


def test_what_tells_services_apart_is_not_shown() -> None:
    instruments = Instruments()
    instruments.count_request("POST", 200, "classify", 0.1)

    body, _ = instruments.scrape("")

    assert b"_model_serving" not in body


def test_the_exporter_and_the_process_are_shown() -> None:
    found = scrape(Instruments())

    assert any(name == "flask_exporter_info" and dict(labels)["version"] for name, labels in found)
    assert any(name == "python_info" for name, _ in found)


def test_a_scrape_for_some_series_leaves_the_others_for_the_next_one() -> None:
    instruments = Instruments()

    scrape(instruments, "flask_exporter_info")

    assert any(name == "python_info" for name, _ in scrape(instruments))


def test_a_metric_of_a_handler_is_shown_beside_ours() -> None:
    Counter("words_in_tests", "Words that were read").inc(3)

    assert scrape(Instruments())[series("words_in_tests_total")] == 3


def test_a_scrape_may_ask_for_some_series_alone() -> None:
    instruments = Instruments()
    instruments.count_request("POST", 200, "classify", 0.1)

    found = scrape(instruments, "flask_http_request_total")

    assert list(found) == [series("flask_http_request_total", method="POST", status="200")]


def test_open_metrics_is_written_where_it_is_asked_for() -> None:
    body, media_type = Instruments().scrape("application/openmetrics-text; version=1.0.0")

    assert media_type.startswith("application/openmetrics-text")
    assert re.search(rb"# EOF\n$", body)

"""Which calls share a message to a cluster, and how many messages are on their way."""

from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.replicas.cluster.message_sizes import message_size, target_messages
from aylien_model_serving.replicas.gateway.gathering import Gathering
from aylien_model_serving.rpc.spec import Spec


def gathered(gathering: Gathering[int], calls: range) -> list[list[int]]:
    messages = []
    for call in calls:
        gathering.add(call, 0.0)
        while message := gathering.next_message(0.0):
            messages.append(message)
    return messages


def test_calls_of_a_handler_without_batches_go_one_by_one_and_at_once() -> None:
    assert gathered(Gathering(1, 8, 8), range(20)) == [[call] for call in range(20)]


def test_calls_that_wait_for_a_handler_of_batches_share_a_message() -> None:
    gathering: Gathering[int] = Gathering(4, 100, 2)

    first = gathered(gathering, range(10))
    gathering.ended(1)
    second = gathering.next_message(0.0)

    assert first == [[0], [1]]
    assert second == [2, 3, 4, 5]
    assert gathering.next_message(0.0) == []
    assert (gathering.waiting, len(gathering)) == (4, 9)


def test_as_many_messages_are_on_their_way_as_there_are_calls_for_replicas() -> None:
    gathering: Gathering[int] = Gathering(4, target_ongoing=8, target_messages=2)

    assert len(gathered(gathering, range(8))) == 2
    assert len(gathered(gathering, range(8, 24))) == 4
    assert len(gathering) == 24


def test_a_smaller_message_than_those_on_their_way_waits_for_further_calls() -> None:
    gathering: Gathering[int] = Gathering(32, 64, 2, max_wait=0.005)
    gathering.add(0, 0.0)
    gathering.add(1, 0.0)
    first = gathering.next_message(0.0)
    gathering.add(2, 1.0)
    held, due = gathering.next_message(1.0), gathering.due
    gathering.add(3, 1.001)
    second = gathering.next_message(1.001)
    gathering.ended(2)
    gathering.add(4, 2.0)

    assert (first, held, second, due) == ([0, 1], [], [2, 3], 1.005)
    assert gathering.next_message(2.0) == []
    assert gathering.next_message(2.005) == [4]


def test_waiting_calls_can_be_taken_back() -> None:
    gathering: Gathering[int] = Gathering(4, 8, 2)
    gathered(gathering, range(5))

    assert gathering.clear() == [2, 3, 4]
    assert gathering.next_message(0.0) == []


def test_a_message_has_as_many_calls_as_a_batch_unless_they_stream() -> None:
    plain = Spec(name="a", target="b:c", ray=RayOptions(target_ongoing=16), threads=2)
    batched = Spec(name="a", target="b:c", batching=BatchOptions(8), ray=RayOptions(), threads=2)
    streamed = Spec(name="a", target="b:c", batching=BatchOptions(8), streams=("",))

    assert (message_size(plain), message_size(batched), message_size(streamed)) == (1, 8, 1)
    assert target_messages(plain, RayOptions(target_ongoing=16)) == 16
    assert target_messages(batched, RayOptions(target_ongoing=16)) == 4

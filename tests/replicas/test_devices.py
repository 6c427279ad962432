"""Which GPUs are visible, which replica gets which, and what it sees of them."""

import math
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.replicas.supervisor import devices

GPU, MIG = "GPU-8932f937", "MIG-GPU-8932f937/1/2"


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("0,1", ("0", "1")),
        (" 3 , 1 ", ("3", "1")),
        (f"{GPU},{MIG}", (GPU, MIG)),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),
        ("NoDevFiles", ()),
    ],
)
def test_the_operators_list_counts(text: str, entries: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "nvidia0").touch()

    assert devices.visible({"CUDA_VISIBLE_DEVICES": text}, tmp_path) == entries


def test_without_a_list_the_drivers_files_are_counted(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm", "nvidia-caps", "null"):
        (tmp_path / name).touch()

    assert devices.visible({}, tmp_path) == ("0", "1")


def test_a_machine_without_a_driver_has_no_gpu(tmp_path: Path) -> None:
    assert devices.visible({}, tmp_path / "absent") == ()


@pytest.mark.parametrize(
    ("wanted", "replicas", "gpus", "assigned"),
    [
        ("auto", 2, 0, ["cpu", "cpu"]),
        ("auto", 3, 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cpu", 2, 2, ["cpu", "cpu"]),
        (("cuda:1", "cpu"), 3, 2, ["cuda:1", "cpu", "cuda:1"]),
        (("cuda:1", "cpu"), 1, 2, ["cuda:1"]),
    ],
)
def test_devices_are_assigned_in_turn(
    wanted: str | tuple[str, ...], replicas: int, gpus: int, assigned: list[str]
) -> None:
    taken: list[str] = []
    for number in range(replicas):
        taken.append(devices.choose(wanted, number, gpus, taken))

    assert taken == assigned


def test_the_gpu_with_the_fewest_replicas_is_next() -> None:
    taken = ["cuda:0", "cuda:0", "cuda:2"]

    assert devices.choose("auto", 7, 3, taken) == "cuda:1"
    assert devices.choose("auto", 8, 3, [*taken, "cuda:1", "cuda:1"]) == "cuda:2"


@pytest.mark.parametrize(
    ("wanted", "gpus", "room"),
    [
        ("auto", 0, math.inf),
        ("auto", 2, 2),
        ("cpu", 2, math.inf),
        (("cpu", "cpu"), 2, math.inf),
        (("cuda:0", "cuda:0", "cuda:1"), 2, 3),
        (("cuda:0", "cpu"), 2, 2),
    ],
)
def test_each_gpu_has_room_for_the_replicas_that_are_named_for_it(
    wanted: str | tuple[str, ...], gpus: int, room: float
) -> None:
    assert devices.room(wanted, gpus) == room


@pytest.mark.parametrize(
    ("device", "variables", "name_in_replica"),
    [
        ("cpu", {"CUDA_VISIBLE_DEVICES": ""}, "cpu"),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": MIG}, "cuda:0"),
        ("cuda", {"CUDA_VISIBLE_DEVICES": GPU}, "cuda:0"),
        ("cuda:1,cuda:0", {"CUDA_VISIBLE_DEVICES": f"{MIG},{GPU}"}, "cuda:0"),
        ("mps", {}, "mps"),
    ],
)
def test_a_replica_sees_its_own_gpus_alone(
    device: str, variables: dict[str, str], name_in_replica: str
) -> None:
    assert devices.environment(device, (GPU, MIG)) == variables
    assert devices.device_in_replica(device) == name_in_replica


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'cuda:2' is not there: 2 GPUs are visible here \(0, 1\)"):
        devices.environment("cuda:2", ("0", "1"))
    with pytest.raises(ConfigurationError, match=r"'cuda:2' is not there"):
        devices.environment("cuda:0,cuda:2", ("0", "1"))


def test_a_group_takes_each_of_its_gpus() -> None:
    assert devices.choose("auto", 0, 3, ["cuda:0,cuda:1"]) == "cuda:2"

"""What ``auto`` chooses, on machines of every kind."""

import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from tests.front_door import summary, train
from triptych.build import check_numbers
from triptych.networks.normalization import RunningNormalization
from triptych.provenance import hardware as room
from triptych.provenance.hardware import Hardware, available_bytes
from triptych.types import ConfigurationError, EnvSpec

VECTOR = EnvSpec("vector", "none", (5000,), "float32", num_actions=3)
SMALL = EnvSpec("small", "none", (4, 31, 31), "uint8", num_actions=3)
LARGE = EnvSpec("large", "none", (4, 32, 32), "uint8", num_actions=3)
PONG = EnvSpec("pong", "nature", (4, 84, 84), "uint8", num_actions=6)
AUTO = Hardware("auto", 1, "auto", "auto")
CORES = 6


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Be a machine of six cores; say what else it has."""

    def be(*, has_cuda=False, cuda_has_bf16=False, cpu_has_bf16=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: cuda_has_bf16)
        monkeypatch.setattr(room, "cpu_has_bf16", lambda: cpu_has_bf16)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)))
    be()
    return be


@pytest.mark.parametrize(("spec", "threads"), [(VECTOR, 1), (SMALL, 1), (LARGE, CORES), (PONG, CORES)])
def test_large_images_take_all_cores_and_everything_else_one_thread(machine, spec, threads):
    for has_cuda in (False, True):
        machine(has_cuda=has_cuda)
        assert AUTO.chosen_for(spec).num_threads == threads


def test_processes_share_the_cores():
    assert [AUTO._replace(devices=devices).chosen_for(LARGE).num_threads for devices in (2, 4, 12)] == [3, 1, 1]


def test_more_processes_than_gpus_are_refused(machine, monkeypatch):
    machine(has_cuda=True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert AUTO._replace(devices=2).chosen_for(SMALL).accelerator == "cuda"
    with pytest.raises(ConfigurationError, match="devices=3: this machine has 2 GPUs"):
        AUTO._replace(devices=3).chosen_for(SMALL)
    assert AUTO._replace(devices=3, accelerator="cpu").chosen_for(SMALL).accelerator == "cpu"


@pytest.mark.parametrize("spec", [VECTOR, SMALL, LARGE])
@pytest.mark.parametrize("threads", [1, 3, 100])
def test_explicit_threads_win(spec, threads):
    assert AUTO._replace(num_threads=threads).chosen_for(spec).num_threads == threads


@pytest.mark.parametrize(
    ("machine_has", "accelerator", "precision_of_large_images"),
    [
        ({}, "cpu", "32-true"),
        ({"cuda_has_bf16": True}, "cpu", "32-true"),
        ({"cpu_has_bf16": True}, "cpu", "bf16-mixed"),
        ({"has_cuda": True}, "cuda", "32-true"),
        ({"has_cuda": True, "cpu_has_bf16": True}, "cuda", "32-true"),
        ({"has_cuda": True, "cuda_has_bf16": True}, "cuda", "bf16-mixed"),
    ],
)
def test_a_gpu_is_used_where_there_is_one_and_bfloat16_where_it_pays(
    machine, machine_has, accelerator, precision_of_large_images
):
    machine(**machine_has)
    for spec in (LARGE, PONG):
        assert AUTO.chosen_for(spec)[:3] == (accelerator, 1, precision_of_large_images)
    for spec in (VECTOR, SMALL):
        assert AUTO.chosen_for(spec)[:3] == (accelerator, 1, "32-true")


@pytest.mark.parametrize("accelerator", ["cpu", "gpu", "cuda"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("spec", [VECTOR, PONG])
def test_explicit_values_win(machine, accelerator, precision, spec):
    machine(has_cuda=True, cuda_has_bf16=precision == "32-true", cpu_has_bf16=precision == "32-true")
    explicit = Hardware(accelerator, 1, precision, 2)
    assert explicit.chosen_for(spec) == explicit


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_a_gpu_that_is_not_there_is_refused(accelerator):
    with pytest.raises(ConfigurationError, match=rf"trainer.accelerator={accelerator}: .* trainer.accelerator=cpu"):
        AUTO._replace(accelerator=accelerator).chosen_for(PONG)


def test_a_result_names_its_machine(machine, monkeypatch):
    assert AUTO.chosen_for(VECTOR).describe() == {
        "accelerator": "cpu",
        "device": room.processor_name(),
        "precision": "32-true",
        "threads": 1,
    }
    machine(has_cuda=True, cuda_has_bf16=True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Something")
    assert AUTO.chosen_for(PONG).describe() == {
        "accelerator": "cuda",
        "device": "NVIDIA Something",
        "precision": "bf16-mixed",
        "threads": CORES,
    }


@pytest.mark.parametrize("precision", ["medium", "highest"])
def test_the_precision_of_products_is_of_one_run_and_named_in_its_result(request, tmp_path, precision):
    request.addfinalizer(partial(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()))
    run = tmp_path / "run"
    setting = f"trainer.float32_matmul_precision={precision}"
    result = train("algo=ppo", "env=cartpole", "debug=tiny", "callbacks.video=false", setting, f"run_dir={run}")
    assert result.returncode == 0, result.stderr
    assert torch.get_float32_matmul_precision() == precision
    assert summary(run)["hardware"].get("float32_matmul_precision", "highest") == precision


@pytest.fixture
def room_for(monkeypatch):
    """Be a machine with so much of everything left."""

    def be(memory, disk, device=None, whole=10**12):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory, total=whole))
        monkeypatch.setattr(room.shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=disk))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: device is not None)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (device, whole))
        return asked

    asked: list[Path] = []
    return be


def test_a_part_of_what_is_free_stays_free(room_for, tmp_path):
    room_for(memory=1000, disk=2000)
    # Without a device its rings lie in memory.
    assert available_bytes(tmp_path / "replay") == {"memory": 950, "disk": 1900, "device": 950}
    room_for(memory=1000, disk=2000, device=3000)
    assert available_bytes(tmp_path / "replay") == {"memory": 950, "disk": 1900, "device": 2700}


def test_runs_side_by_side_share_the_room(room_for, tmp_path):
    room_for(memory=1000, disk=2000, whole=1200)
    assert available_bytes(tmp_path / "replay", 2) == {"memory": 570, "disk": 950, "device": 570}
    room_for(memory=300, disk=2000, device=900, whole=1200)  # another has filled its share already
    assert available_bytes(tmp_path / "replay", 2) == {"memory": 285, "disk": 950, "device": 540}


def test_the_disk_is_the_one_on_which_the_folder_will_lie(room_for, tmp_path):
    asked = room_for(memory=1000, disk=2000)
    available_bytes(tmp_path / "not" / "there" / "yet")
    (tmp_path / "replay").mkdir()
    available_bytes(tmp_path / "replay")
    assert asked == [tmp_path, tmp_path / "replay"]


def test_what_the_run_itself_took_before_is_its_own(room_for, tmp_path):
    room_for(memory=1000, disk=2000)
    (tmp_path / "ring.bin").write_bytes(bytes(100_000))
    taken = (tmp_path / "ring.bin").stat().st_blocks * 512
    assert taken >= 100_000
    assert available_bytes(tmp_path)["disk"] == int(0.95 * (2000 + taken))


def test_runs_side_by_side_share_the_cores(monkeypatch):
    monkeypatch.setattr(room.os, "sched_getaffinity", lambda pid: set(range(8)))
    assert [AUTO.chosen_for(PONG, num_runs).num_threads for num_runs in (1, 2, 3, 16)] == [8, 4, 2, 1]
    assert AUTO._replace(num_threads=3).chosen_for(PONG, 4).num_threads == 3


def test_a_device_without_double_precision_is_told_of_what_needs_it():
    check_numbers(RunningNormalization((3,)), "cuda")
    check_numbers(torch.nn.BatchNorm1d(3), "mps")
    with pytest.raises(ConfigurationError, match=r"normalize_observations=true counts; use trainer=cpu"):
        check_numbers(RunningNormalization((3,)), "mps")

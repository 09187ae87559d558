"""What the benchmark compares with an earlier one."""

import importlib
import json
import sys
import time

import pytest

from tests.front_door import ROOT

sys.path.append(str(ROOT / "scripts"))  # where a script finds the one beside it
benchmark = importlib.import_module("benchmark")

RATIOS = {"trainer": {"Trainer / bare loop": 0.96}, "search": {"search / model alone": 0.4}}


def written(path, ratios):
    path.write_text(json.dumps({"cores": 2} | {part: {"rates": {}, "ratios": own} for part, own in ratios.items()}))
    return path


def test_a_ratio_that_has_fallen_by_a_quarter_is_told(tmp_path):
    earlier = benchmark.read_ratios(written(tmp_path / "ratios.json", RATIOS))
    assert earlier == RATIOS
    assert benchmark.fallen("trainer", {"Trainer / bare loop": 0.73}, earlier) == []
    assert benchmark.fallen("update", {"update / primitives": 0.1}, earlier) == []  # not measured then
    (told,) = benchmark.fallen("search", {"search / model alone": 0.29}, earlier)
    assert told == "search / model alone is 0.290, less than 75% of 0.400"


def test_each_variant_is_compared_with_the_same_algorithm_of_others():
    rates = {"PPO": [30, 31], "A2C": [44], "SB3, PPO": [25, 20], "SB3, A2C": [40]}
    assert benchmark.ratios("policies", rates) == {"PPO / fastest SB3": 30.5 / 22.5, "A2C / fastest SB3": 1.1}
    rates = {"SB3, SAC, 1 env": [10], "SB3, SAC, 4 envs": [16], "SB3, TD3, 1 env": [25], "SB3, TD3, 4 envs": [20]}
    rates |= {name: [32 if name.startswith("SAC") else 50] for name in benchmark.VARIANTS["continuous"]}
    ratios = benchmark.ratios("continuous", rates)
    assert len(ratios) == 6
    assert set(ratios.values()) == {2.0}


def test_what_each_part_of_an_update_adds():
    scaling = importlib.import_module("benchmark_scaling")
    assert scaling.differences({"forward": 2.0, "backward": 5.0, "step": 4.5}) == {
        "forward": 2.0,
        "backward": 3.0,
        "step": -0.5,
    }


def test_processor_time_is_measured_per_call():
    scaling = importlib.import_module("benchmark_scaling")
    calls = []

    def spin():
        calls.append(None)
        until = time.process_time() + 0.002
        while time.process_time() < until:
            pass

    found = scaling.milliseconds({"spin": spin, "nothing": lambda: None}, repeats=3, least_s=0.02)
    assert found["spin"] == pytest.approx(2.0, rel=0.5)
    assert found["nothing"] < 0.1
    assert len(calls) >= 3 * 5


@pytest.mark.parametrize(
    "text",
    ["", "[]", "5", "[" * 100_000, '{"trainer": 1}', '{"trainer": {"ratios": {"a": "b"}}}',
     '{"trainer": {"ratios": {"a": 1}}}', '{"search": {"ratios": {"a": NaN}}}'],
)  # fmt: skip
def test_a_file_without_ratios_is_told(tmp_path, capsys, text):
    (tmp_path / "ratios.json").write_text(text)
    assert benchmark.main(["--only", "search", "--not-below", str(tmp_path / "ratios.json")]) == 2
    assert "holds no ratios" in capsys.readouterr().err
    assert benchmark.main(["--only", "search", "--not-below", str(tmp_path / "none.json")]) == 2
    assert "none.json holds no ratios (there is no such file)" in capsys.readouterr().err
    assert benchmark.main(["--only", "training", "--sb3-python", str(tmp_path)]) == 2
    assert "is not an interpreter" in capsys.readouterr().err


def test_a_search_slower_than_before_fails(tmp_path, capsys, monkeypatch):
    arguments = ["--only", "search", "--env-steps", "20", "--repeats", "1", "--warm-up-env-steps", "1", "--not-below"]
    path, out = tmp_path / "ratios.json", tmp_path / "measured.json"
    written(path, {"search": {"search / model alone": 1e-6}})
    assert benchmark.main([*arguments, str(path), "--out", str(out)]) == 0
    measured = json.loads(out.read_text())["search"]["rates"]
    monkeypatch.setattr(benchmark, "run_worker", lambda *_: measured)  # the same once more
    assert benchmark.main([*arguments, str(written(path, {"search": {"search / model alone": 1e6}}))]) == 1
    assert "search / model alone is" in capsys.readouterr().err

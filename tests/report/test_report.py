"""The report: which runs are found, how they are grouped, what is printed, drawn and copied."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.front_door import train
from tests.report.run_folders import write_run
from triptych.report.curves import draw_curves, means_of_parts
from triptych.report.groups import group_runs
from triptych.report.runs import LARGEST_COPY, collect_runs, find_runs, read_run
from triptych.report.table import markdown_tables

ROOT = Path(__file__).resolve().parents[2]


def report(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "report.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


def rows(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("algo", "---")]


def table_of(*folders: Path) -> str:
    return markdown_tables(group_runs(find_runs(folders)[0]))


def test_a_row_is_the_mean_over_seeds(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=1, mean=10.0)
    write_run(tmp_path / "b", seed=2, mean=14.0)
    (row,) = rows(table_of(tmp_path))
    # Pong: random -20.7, human 14.6.
    assert row == ["dqn", "pong", "nature", "2", "40,000", "12.00 ± 2.83", "0.93", "333", "2.0 min"]


def test_protocols_never_share_a_table(tmp_path: Path) -> None:
    write_run(tmp_path / "a", protocol="nature")
    write_run(tmp_path / "b", protocol="machado", mean=4.0)
    write_run(tmp_path / "c", protocol="nature", env="breakout")
    tables = table_of(tmp_path).split("### Protocol ")[1:]
    assert [table.split()[0] for table in tables] == ["machado", "nature"]
    for table in tables:
        assert {row[2] for row in rows(table)} == {table.split()[0]}
    assert len(group_runs(find_runs([tmp_path])[0])) == 3


def test_a_protocol_with_a_setting_changed_is_another(tmp_path: Path) -> None:
    for name, algo, prob in (("stock", "dqn", 0.0), ("sticky", "ppo", 0.25), ("more sticky", "a2c", 0.25)):
        folder = write_run(tmp_path / name, algo=algo)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["protocol"] |= {"repeat_action_prob": 0.0, "frame_skip": 4}
        config["env"]["repeat_action_prob"] = prob
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    text = table_of(tmp_path)
    assert text.count("### Protocol") == 2
    assert "### Protocol nature\n" in text  # whose published scores are without, though most runs here are with
    assert "### Protocol nature (repeat_action_prob=0.25)" in text
    result = report(tmp_path, "--curves", tmp_path / "curves")
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "curves").iterdir())
    assert names == ["pong-nature-repeat_action_prob=0.25.png", "pong-nature.png"]


def test_a_class_is_named_by_what_it_is_of(tmp_path: Path) -> None:
    write_run(tmp_path / "a", network={"torso": "nips"})
    write_run(tmp_path / "b", network={"_target_": "lab.Wide"})
    table = markdown_tables(group_runs(find_runs([tmp_path])[0]))
    assert "network=lab.Wide" in table
    assert "_target_" not in table


def test_frames_are_a_range_where_runs_went_on_for_longer(tmp_path: Path) -> None:
    for seed, frames in ((1, 40_000), (2, 80_000)):
        folder = write_run(tmp_path / str(seed), seed=seed)
        path = folder / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"frames": frames}))
    assert "| 40,000 to 80,000 |" in markdown_tables(group_runs(find_runs([tmp_path])[0]))


def test_nothing_is_collected_into_a_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a")
    before = sorted(tmp_path.rglob("*"))
    (folder / ".lock").touch()  # as every run has
    result = report(folder, "--collect", folder)
    assert result.returncode == 2
    assert f"--collect {folder} is not allowed: it is the folder of a run" in result.stderr
    assert sorted(tmp_path.rglob("*")) == sorted([*before, folder / ".lock"])


def test_options_in_folders_and_with_blanks_are_names(tmp_path: Path) -> None:
    write_run(tmp_path / "a", experiment="sub/quick", env="my cart")
    (run,) = find_runs([tmp_path])[0]
    assert (run.algo, run.env) == ("dqn-sub_quick", "my_cart")


def test_runs_with_other_settings_are_not_averaged(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=1)
    write_run(tmp_path / "b", seed=2, batch_size=64)
    write_run(tmp_path / "c", seed=3, replay={"storage": "disk"})  # learns the same
    write_run(tmp_path / "d", seed=1, experiment="pong_fast", n_step=3)
    names = sorted((row[0], row[3]) for row in rows(table_of(tmp_path)))
    assert names == [("dqn (batch_size=32)", "2"), ("dqn (batch_size=64)", "1"), ("dqn-pong_fast", "1")]


def test_runs_of_the_first_version_are_averaged_with_later_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "later", seed=1, double_q=True)
    copies = {"double": True, "batch_size": 32}
    earlier: dict[str, Any] = {
        "double": True,
        "module": {"_target_": "triptych.algos.dqn.DQN", **copies},
        "data": {"_target_": "triptych.data.replay.ReplayDataModule", "replay": {"is_prioritized": False}},
    }
    write_run(tmp_path / "earlier", seed=2, **earlier)
    ((name, *_, seeds),) = (row[:4] for row in rows(table_of(tmp_path)))
    assert (name, seeds) == ("dqn", "2")
    write_run(tmp_path / "another", seed=3, **earlier | {"double": False})
    names = sorted((row[0], row[3]) for row in rows(table_of(tmp_path)))
    assert names == [("dqn (double_q=False)", "1"), ("dqn (double_q=True)", "2")]


def test_settings_of_another_version_are_not_named_where_others_tell_runs_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "a", batch_size=32, target_network=True, noisy=False)
    write_run(tmp_path / "b", batch_size=64)
    assert sorted(row[0] for row in rows(table_of(tmp_path))) == ["dqn (batch_size=32)", "dqn (batch_size=64)"]
    write_run(tmp_path / "c", batch_size=64, noisy=True)
    names = sorted(row[0] for row in rows(table_of(tmp_path)))
    expected = [(32, False), (64, None), (64, True)]
    assert names == [f"dqn (batch_size={batch}, noisy={noisy})" for batch, noisy in expected]


def test_runs_of_two_versions_are_told_apart_by_what_is_on(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    own = {"augmentation": False, "munchausen": False, "munchausen_scale": 0.9, "target_network": True}
    write_run(tmp_path / "b", **own, weight_average_decay=0.99)
    names = sorted(row[0] for row in rows(table_of(tmp_path)))
    assert names == ["dqn (weight_average_decay=0.99)", "dqn (weight_average_decay=None)"]


def test_the_first_few_settings_that_tell_runs_apart_are_named(tmp_path: Path) -> None:
    many = {f"option_{letter}": 1 for letter in "abcdefg"}
    write_run(tmp_path / "a", **many)
    write_run(tmp_path / "b", **dict.fromkeys(many, 2))
    names = sorted(row[0] for row in rows(table_of(tmp_path)))
    assert names == [f"dqn (option_a={n}, option_b={n}, option_c={n}, option_d={n})" for n in (1, 2)]


def test_a_node_that_was_taken_away_is_named_once(tmp_path: Path) -> None:
    write_run(tmp_path / "a", replay={"capacity_env_steps": 1000, "priority_exponent": 0.6}, target_network=True)
    write_run(tmp_path / "b", replay=None, target_network=True)
    assert sorted(row[0] for row in rows(table_of(tmp_path))) == ["dqn", "dqn (replay=None)"]
    write_run(tmp_path / "c", replay={"capacity_env_steps": 2000, "priority_exponent": 0.6}, target_network=True)
    assert sorted(row[0] for row in rows(table_of(tmp_path))) == [
        "dqn (capacity_env_steps=1000)",
        "dqn (capacity_env_steps=2000)",
        "dqn (replay=None)",
    ]


def test_unfinished_runs_do_not_count(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=1)
    write_run(tmp_path / "b", seed=2, status="interrupted")
    (row,) = rows(table_of(tmp_path))
    assert row[3] == "1 of 2 finished"
    assert row[5] == "10.00"
    assert read_run(tmp_path / "b").frames == 40_000


def test_a_run_that_was_stopped_is_as_far_as_its_summary_says(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", status="interrupted")
    summary = json.loads((folder / "summary.json").read_text())
    for frames, known in ((45_000, 45_000), (30_000, 40_000)):  # stopped after its latest row; killed before it
        (folder / "summary.json").write_text(json.dumps(summary | {"frames": frames, "wall_time_s": 130.0}))
        assert read_run(folder).frames == known


def test_old_and_broken_folders_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "seed1-01234567")
    write_run(tmp_path / "seed1-01234567.old1", mean=0.0)
    (write_run(tmp_path / "broken", seed=2) / "summary.json").write_text("{")
    runs, notes = find_runs([tmp_path])
    assert [run.folder.name for run in runs] == ["seed1-01234567"]
    assert len(notes) == 1
    assert "broken" in notes[0]


def test_a_copy_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path / "outputs" / "run")
    (copy,) = collect_runs(find_runs([tmp_path / "outputs"])[0], tmp_path / "results")
    assert copy == tmp_path / "results" / "dqn-pong-nature-seed1"
    assert {path.name for path in copy.iterdir()} == {"summary.json", "metrics.csv", "config.yaml"}
    runs, notes = find_runs([tmp_path])
    assert len(runs) == len(notes) == 1


def test_collecting_keeps_runs_with_other_settings_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", batch_size=64, mean=5.0)
    runs, _ = find_runs([tmp_path / "a", tmp_path / "b"])
    copies = collect_runs(runs, tmp_path / "results")
    assert copies == collect_runs(runs, tmp_path / "results")
    assert len(set(copies)) == 2
    assert [read_run(copy).return_mean for copy in copies] == [10.0, 5.0]


def test_collecting_leaves_a_very_long_list_of_episodes_where_it_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a")
    for name, length in (("episodes.csv", LARGEST_COPY + 1), ("evaluations.csv", LARGEST_COPY)):
        (folder / name).write_text("1" * length)
    (copy,) = collect_runs(find_runs([folder])[0], tmp_path / "results")
    assert sorted(path.name for path in copy.iterdir()) == [
        "config.yaml", "evaluations.csv", "metrics.csv", "summary.json",
    ]  # fmt: skip


def test_a_line_of_many_rows_is_drawn_as_means():
    frames, values = list(range(10, 1010, 10)), [float(value) for value in range(100)]
    few, means = means_of_parts(frames, values, num_parts=4)
    assert few == [125.0, 370.0, 620.0, 875.0]  # a row at the border of two parts counts for the later one
    assert means == [11.5, 36.0, 61.0, 86.5]
    assert means_of_parts([10, 20], [1.0, 5.0]) == ([10.0, 20.0], [1.0, 5.0])


def test_curves_are_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folders = [write_run(tmp_path / "a"), write_run(tmp_path / "b", seed=2)]
    for number, members in enumerate([folders[:1], folders]):
        path = tmp_path / "curves" / f"{number}.png"
        draw_curves(members, path)
        assert path.read_bytes().startswith(b"\x89PNG")
    other = write_run(tmp_path / "c", protocol="machado")
    with pytest.raises(ValueError, match="protocol"):
        draw_curves([*folders, other], tmp_path / "mixed.png")


def test_many_names_make_a_taller_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folders = [write_run(tmp_path / f"{n}", batch_size=n) for n in range(1, 15)]
    heights = {}
    for count in (2, 14):
        path = tmp_path / f"{count}.png"
        draw_curves(folders[:count], path)
        heights[count] = struct.unpack(">I", path.read_bytes()[20:24])[0]  # of the PNG's header
    assert heights[2] == 5 * 120
    assert heights[14] > heights[2]


def test_the_command_line_prints_draws_and_collects(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_run(tmp_path / "runs" / "a")
    write_run(tmp_path / "runs" / "b", protocol="machado", status="running")
    process = report(tmp_path / "runs", "--curves", tmp_path / "curves", "--collect", tmp_path / "results")
    assert process.returncode == 0, process.stderr
    assert len(rows(process.stdout)) == 2
    assert "is running at 40,000 frames" in process.stdout
    assert {path.name for path in (tmp_path / "curves").iterdir()} == {"pong-nature.png", "pong-machado.png"}
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "dqn-pong-nature-seed1",
        "dqn-pong-machado-seed1",
    }


def test_nothing_to_report_is_said(tmp_path: Path) -> None:
    for folder, words in ((tmp_path, "Nothing to report"), (tmp_path / "nowhere", "is not a folder")):
        process = report(folder)
        assert process.returncode == 2
        (line,) = process.stderr.strip().splitlines()
        assert words in line


def test_reads_what_train_writes(tmp_path: Path) -> None:
    settings = ["algo=dqn", "env=catch", "logger=csv", "total_frames=2000", "eval.episodes=2"]
    assert train(*settings, f"run_dir={tmp_path / 'run'}").returncode == 0
    run = read_run(tmp_path / "run")
    assert (run.algo, run.env, run.protocol, run.seed, run.frames) == ("dqn", "catch", "none", 1, 2000)
    assert run.return_mean is not None
    assert run.human_normalized_score is None
    assert run.curve("collect/return_mean")[0]
    assert run.curve("eval/return_mean")[0] == [2000]


def test_a_page_shows_other_metrics_and_refuses_one_that_no_run_has(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    name = "collect/return_mean"
    found = report(tmp_path / "runs", "--html", tmp_path / "page", "--metric", name)
    assert found.returncode == 0, found.stderr
    assert f"pong: {name}" in (tmp_path / "page" / "index.html").read_text()
    found = report(tmp_path / "runs", "--html", tmp_path / "other", "--metric", "train/unheard_of")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "--metric train/unheard_of is a column of no run" in found.stderr
    assert not (tmp_path / "other").exists()


def test_a_chart_without_a_page_and_a_file_without_frames_are_told(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=1)
    result = report(tmp_path, "--metric", "train/loss")
    assert result.returncode == 2
    assert "--metric train/loss is for the page; add --html DIR" in result.stderr
    write_run(tmp_path / "b", seed=2)
    (tmp_path / "b" / "metrics.csv").write_text("nonsense\n1\n")
    result = report(tmp_path)
    assert result.returncode == 0
    assert f"{tmp_path / 'b'} cannot be read as a run" in result.stderr
    assert "its metrics.csv has no column named frames" in result.stderr


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_page_shows_as_many_metrics_as_are_asked_for(tmp_path: Path, number: int) -> None:
    write_run(tmp_path / "runs" / "one")
    names = ["collect/return_mean", "eval/return_mean", "updates", "wall_time_s"][:number]
    found = report(tmp_path / "runs", "--html", tmp_path / "page", "--metric", *names)
    assert found.returncode == 0, found.stderr
    page = (tmp_path / "page" / "index.html").read_text()
    assert all(f"pong: {name}" in page for name in names)
    assert (tmp_path / "page" / "curves.png").stat().st_size

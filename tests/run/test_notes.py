"""What a budget does to starts and schedules is said before a run."""

from tests.front_door import train
from triptych.run.notes import budget_notes

SETTINGS = {
    "learning_starts_env_steps": 1000,
    "epsilon_decay_env_steps": 2000,
    "prioritized": True,
    "replay.importance_anneal_env_steps": 4000,
    "learning_rate_decay_env_steps": 3000,
    "capacity_env_steps": 10**6,
    "batch_size": 32,
}


def test_nothing_is_said_where_everything_fits():
    assert budget_notes(SETTINGS | {"learning_rate_decay_env_steps": 5000}, total_frames=20_000, frame_skip=4) == []


def test_a_start_that_is_not_reached_is_named():
    (note,) = budget_notes({"learning_starts_env_steps": 1000}, total_frames=4000, frame_skip=4)
    assert "algo.learning_starts_env_steps=1000" in note
    assert "1,000 env steps" in note
    assert budget_notes({"learning_starts_env_steps": 999}, total_frames=4000, frame_skip=4) == []


def test_every_schedule_that_is_cut_is_named_with_how_far_it_comes():
    notes = budget_notes(SETTINGS, total_frames=1500 * 4, frame_skip=4)
    assert [next(word for word in note.split() if word.startswith("algo.")) for note in notes] == [
        "algo.epsilon_decay_env_steps=2000",
        "algo.replay.importance_anneal_env_steps=4000",
        "algo.learning_rate_decay_env_steps=3000",
    ]
    assert "75%" in notes[0]


def test_a_schedule_of_priorities_is_named_only_where_draws_are_prioritized():
    schedule = {"replay.importance_anneal_env_steps": 4000}
    for is_prioritized in (False, True):
        notes = budget_notes(schedule | {"prioritized": is_prioritized}, total_frames=1000, frame_skip=1)
        assert len(notes) == is_prioritized


def test_a_schedule_that_is_meant_to_stay_at_its_start_is_not_named():
    settings = {"prioritized": True, "replay.importance_anneal_env_steps": 1_000_000_000}
    assert budget_notes(settings, total_frames=1000, frame_skip=1) == []


def test_a_learning_rate_that_ends_before_the_budget_is_named():
    (note,) = budget_notes({"learning_rate_decay_env_steps": 100}, total_frames=1000, frame_skip=1)
    assert "nothing is learnt after 100 frames" in note


def test_a_run_says_that_it_learns_nothing(tmp_path):
    result = train("env=catch", "total_frames=800", "logger=csv", "eval.episodes=1", "callbacks.video=false",
                   "algo.learning_starts_env_steps=5000", f"run_dir={tmp_path / 'run'}")  # fmt: skip
    assert result.returncode == 0
    assert "nothing is learned: algo.learning_starts_env_steps=5000" in result.stdout

"""What a run says at its end, piped and on a terminal."""

import pytest

from triptych.run import words
from triptych.run.folder import RunFolder
from triptych.run.words import result, tell_finished, tell_interrupted

SUMMARY = {
    "eval_return_mean": 12.5,
    "eval_returns": [12.0, 13.0],
    "frames": 4000,
    "stop_reason": "total_frames",
    "human_normalized_score": 0.51,
}


def test_a_planners_score_is_told_with_and_without_search():
    assert result(SUMMARY) == (
        "mean return 12.50 over 2 evaluation episodes, human-normalised 0.51, after 4,000 frames"
    )
    assert "12.50 over 2 evaluation episodes, 3.00 without search," in result(
        SUMMARY | {"eval_return_mean_without_search": 3.0}
    )


@pytest.fixture(params=[False, True], ids=["piped", "terminal"])
def shown(request, tmp_path, monkeypatch, capsys):
    """Return a folder, and what reads all that was shown and all that train.log keeps."""
    folder = RunFolder(tmp_path / "a run")
    monkeypatch.setattr(words, "has_terminal", lambda: request.param)
    yield folder, lambda: (capsys.readouterr().out, (folder.path / "train.log").read_text())
    folder.close()


@pytest.mark.parametrize(
    ("stop_reason", "words_for_it"),
    [("solved", "solved"), ("total_frames", "used up"), ("callback", "callback")],
)
def test_the_end_says_why_what_and_where(shown, stop_reason, words_for_it):
    folder, read = shown
    folder.update_summary(**SUMMARY | {"stop_reason": stop_reason})
    tell_finished(folder, has_video=True)
    for text in read():
        assert words_for_it in text
        assert "mean return 12.50" in text
        assert f"python scripts/evaluate.py '{folder.path}'" in text
        assert "evaluation.mp4" not in text
    (folder.path / "videos").mkdir()
    (folder.path / "videos" / "evaluation.mp4").write_bytes(b"")
    tell_finished(folder, has_video=True)
    assert "evaluation.mp4" in "".join(read()[0].split())
    tell_finished(folder, has_video=False)  # there is one of an evaluation before
    assert "evaluation.mp4" not in "".join(read()[0].split())


def test_an_interruption_says_how_it_goes_on(shown):
    folder, read = shown
    command = "python train.py " + " ".join(f"algo.key{number}={number}" for number in range(20))
    folder.update_summary(frames=1234)
    tell_interrupted(folder, float("-inf"), command, is_saved=True)
    for text in read():
        assert "1,234 frames" in text
        assert f"go on with: {command}\n" in text
        assert "best evaluation" not in text
    tell_interrupted(folder, 3.0, command, is_saved=True)
    assert "best evaluation so far: mean return 3.00" in read()[0]


def test_an_interruption_without_a_checkpoint_does_not_say_that_there_is_one(shown):
    folder, read = shown
    folder.update_summary(frames=1234)
    tell_interrupted(folder, 3.0, "python train.py", is_saved=False)
    assert all("without a new checkpoint; there is none" in text for text in read())
    folder.checkpoints.mkdir()
    (folder.checkpoints / "last.ckpt").touch()
    tell_interrupted(folder, 3.0, "python train.py", is_saved=False)
    assert all("without a new checkpoint; the last is of 1,234 frames" in text for text in read())

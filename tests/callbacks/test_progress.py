import io

import pytest
from rich.console import Console

from triptych.callbacks.progress import Bar, describe

ROW = {
    "frames": 2_345_664,
    "train/frames_per_second": 1060.2,
    "collect/return_mean": -20.31,
    "train/epsilon": 0.871,
    "train/loss": 0.03281,
    "eval/return_mean": -20.0,
    "eval/human_normalized_score": 0.021,
    "train/grad_norm": 3.0,
}


def test_the_line_holds_what_matters_most():
    line = describe(ROW)
    assert line == "1,060 frames/s  return -20.3  ε 0.87  loss 0.0328  eval -20.0  human-normalised 0.02"
    assert describe({"frames": 4}) == ""


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_narrow_terminal_shows_everything(width):
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    bar = Bar(console=console)
    task = bar.add_task("", total=10_000_000, completed=0)
    bar.update(task, completed=2_345_664, description=describe(ROW))
    for part in bar.get_renderables():
        console.print(part)
    shown = " ".join(console.file.getvalue().split())
    assert "2,345,664 of 10,000,000 frames" in shown
    assert "left -:--:--" in shown  # of no time yet
    assert " ".join(describe(ROW).split()) in shown

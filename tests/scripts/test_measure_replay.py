"""The replay's memory, measured at a fiftieth of its usual size, in a process that holds nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.front_door import ROOT


def test_replay_takes_one_frame_per_step_and_saving_it_no_second_copy(tmp_path):
    out = tmp_path / "memory.json"
    script = ROOT / "scripts" / "measure_replay.py"
    arguments = ["--env-steps", "20000", "--out", str(out)]
    subprocess.run([sys.executable, str(script), *arguments], check=True, capture_output=True, cwd=tmp_path)
    found = json.loads(out.read_text())
    allowance = 0.02  # GB, for what Python itself allocates
    assert found["transitions"] >= 19_900
    assert found["resident_memory_added_gb"] <= 7.3 / 50 + allowance
    assert found["resident_memory_added_by_saving_gb"] <= allowance

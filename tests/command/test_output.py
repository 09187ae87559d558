"""Standard output that goes away while a run goes on."""

import io
import os
import subprocess
import sys

import pytest

from tests.front_door import command, summary
from triptych.command.output import LastingStream, lasting_output

ASCII = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


def close_all():
    for number in (0, 1, 2):
        os.close(number)


@pytest.mark.parametrize("how", ["a pipe that is closed", "a full disk", "closed", "ascii"])
def test_a_run_goes_on_without_its_output(tmp_path, how):
    folder = tmp_path / "run"
    arguments = command("env=catch", "logger=csv", "debug=tiny", "total_frames=400", f"run_dir={folder}")
    environment = os.environ | (ASCII if how == "ascii" else {})
    if how == "closed":
        process = subprocess.Popen(arguments, preexec_fn=close_all)
    elif how == "a full disk":
        with open("/dev/full", "w") as full:
            process = subprocess.Popen(arguments, stdout=full, stderr=full)
    else:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment)
        process.stdout.read() if how == "ascii" else process.stdout.readline()
        process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert summary(folder)["status"] == "finished"
    log = (folder / "train.log").read_text(encoding="utf-8")
    assert "Finished" in log
    assert "ε" in log
    assert (folder / "metrics.csv").read_text().startswith("frames,")


def test_a_stream_that_fails_is_written_to_no_more(tmp_path):
    with open("/dev/full", "w") as full:
        stream = LastingStream(full)
        assert stream.write("x" * 100_000) == 100_000
        stream.flush()
        print("more", file=stream, flush=True)
    closed = io.StringIO()
    closed.close()
    print("more", file=LastingStream(closed), flush=True)


def test_the_streams_of_before_come_back(capsys):
    earlier = sys.stdout, sys.stderr
    with lasting_output():
        with lasting_output():
            print("inside")
        assert isinstance(sys.stdout, LastingStream)
    assert (sys.stdout, sys.stderr) == earlier
    assert capsys.readouterr().out == "inside\n"

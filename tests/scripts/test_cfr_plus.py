"""scripts/cfr_plus.py: what CFR+ comes to."""

import json

import pytest

from scripts import cfr_plus
from tests.front_door import call

pytest.importorskip("pyspiel")


def solve(*arguments):
    return call(cfr_plus.main, "scripts/cfr_plus.py", *arguments)


def test_it_comes_near_the_equilibrium_of_kuhn_poker(tmp_path):
    result = solve("kuhn_poker", "--iterations", "300", "--out", tmp_path / "found.json")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "found.json").read_text())["games"]["kuhn_poker"]
    assert found["iterations"][0] == 1
    assert found["iterations"][-1] == 300
    assert found["iterations"] == sorted(set(found["iterations"]))
    assert len(found["nash_conv"]) == len(found["iterations"])
    assert found["nash_conv"][0] == pytest.approx(found["uniform_nash_conv"])  # the first policy is uniform
    assert found["uniform_nash_conv"] == pytest.approx(11 / 12)
    assert found["nash_conv"][-1] < 0.01


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chess"], "chess is not solved here; CFR+ runs on kuhn_poker and leduc_poker."),
        (["kuhn_poker", "--iterations", "0"], "--iterations 0 is not allowed"),
        (["kuhn_poker", "--out", f"{__file__}/found.json"], f"--out {__file__}/found.json is not allowed"),
    ],
)
def test_what_cannot_be_solved_gets_a_sentence(arguments, sentence):
    result = solve(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {sentence}")
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    def refuse(*_):
        raise PermissionError("no")

    monkeypatch.setattr("triptych.provenance.code.write_text", refuse)
    result = solve("kuhn_poker", "--iterations", "1", "--out", tmp_path / "found.json")
    assert result.returncode == 2
    assert result.stderr == f"error: --out {tmp_path / 'found.json'} cannot be written: no.\n"

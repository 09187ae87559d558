"""What scripts take for an argument, and the sentence for what they do not take."""

import argparse

import pytest

from triptych.run.arguments import number, result_file, whole_number


def test_what_fits_is_read(tmp_path):
    assert whole_number(1)("12") == 12
    assert whole_number(-3)("-3") == -3
    assert number(0, 1)("1e-3") == 1e-3
    assert result_file(str(tmp_path / "new" / "found.json")) == tmp_path / "new" / "found.json"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "1e3", "99999999999999999999", "²"])
def test_what_is_no_whole_number_in_the_range_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not allowed: it takes a whole number from 1 to "):
        whole_number(1)(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "inf", "", "half"])
def test_what_is_no_number_in_the_range_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not allowed: it takes a number from 0 to 1"):
        number(0, 1)(text)


def test_a_result_goes_to_a_file(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "found.json"):
        with pytest.raises(argparse.ArgumentTypeError, match="it takes a file in a folder"):
            result_file(str(path))

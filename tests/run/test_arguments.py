"""What scripts take for an argument, and the sentence for what they do not take."""

import argparse

import pytest

from triptych.run.arguments import ScriptParser, folder_to_fill, number, picture_file, result_file, whole_number
from triptych.types import ConfigurationError


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


def test_a_picture_has_an_ending_that_says_what_it_is(tmp_path):
    assert picture_file(str(tmp_path / "tree.svg")) == tmp_path / "tree.svg"
    with pytest.raises(argparse.ArgumentTypeError, match=r"it takes a file that ends in \.png, \.pdf, \.svg"):
        picture_file(str(tmp_path / "tree.txt"))


def test_a_folder_is_there_or_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    assert folder_to_fill(str(tmp_path)) == tmp_path
    assert folder_to_fill(str(tmp_path / "new" / "one")) == tmp_path / "new" / "one"
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(argparse.ArgumentTypeError, match="it takes a folder"):
            folder_to_fill(str(path))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--seed", "-1"], "--seed -1 is not allowed: it takes a whole number from 0 to 2,147,483,647."),
        (["run", "--seed"], "--seed: expected one argument; --help says what there is."),
        (
            ["run", "--num-simulations", "1.5"],
            "--num-simulations 1.5 is not allowed: it takes a whole number from 0 to",
        ),
        (["run", "--sed", "3"], "unrecognized arguments: --sed 3; --help says what there is."),
        ([], "the following arguments are required: run_folder; --help says what there is."),
    ],
)
def test_what_a_script_does_not_take_is_one_sentence(arguments, sentence):
    parser = ScriptParser("A script.", allow_abbrev=False)
    parser.add_run_folder()
    parser.add_seed(0, "the games")
    parser.add_num_simulations()
    with pytest.raises(ConfigurationError) as error:
        parser.parse_args(arguments)
    assert str(error.value).startswith(sentence)

"""Files that are written whole or not at all."""

import pytest

from triptych.files import copy_file, replacing, write_text


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_only_at_the_end(tmp_path):
    path = tmp_path / "deep" / "er" / "last.ckpt"
    with replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with replacing(path) as temporary:
        temporary.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert names_in(path.parent) == ["last.ckpt"]


def test_the_temporary_file_is_hidden_beside_it_and_has_its_suffix(tmp_path):
    with replacing(tmp_path / "evaluation.mp4") as temporary:
        temporary.touch()
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".mp4"
        assert not list(tmp_path.glob("[!.]*"))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_earlier_file_stays_and_nothing_else(tmp_path, error):
    path = tmp_path / "summary.json"
    write_text(path, "whole")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("ha")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "whole"
    assert names_in(tmp_path) == ["summary.json"]


def test_where_nothing_was_written_the_earlier_file_stays(tmp_path):
    path = tmp_path / "summary.json"
    write_text(path, "whole")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "whole"


def test_what_a_kill_left_half_written_is_written_over(tmp_path):
    path = tmp_path / "metrics.csv"
    with replacing(path) as temporary:
        temporary.write_text("earlier")
    temporary.write_text("half, and longer than what comes")
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert names_in(tmp_path) == ["metrics.csv"]


def test_a_copy_replaces_its_target_and_leaves_its_source(tmp_path):
    source, target = tmp_path / "last.ckpt", tmp_path / "kept" / "best.ckpt"
    source.write_bytes(b"\x00new")
    copy_file(source, target)
    source.write_bytes(b"\x00newer")
    assert target.read_bytes() == b"\x00new"
    copy_file(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"\x00newer", b"\x00newer")
    assert names_in(target.parent) == ["best.ckpt"]


def test_a_copy_of_what_is_not_there_costs_the_target_nothing(tmp_path):
    target = tmp_path / "best.ckpt"
    target.write_text("best")
    with pytest.raises(FileNotFoundError):
        copy_file(tmp_path / "last.ckpt", target)
    assert target.read_text() == "best"
    assert names_in(tmp_path) == ["best.ckpt"]

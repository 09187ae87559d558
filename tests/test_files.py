"""Files that are written whole or not at all."""

import os

import pytest
import torch

from triptych.files import check_seal, copy_file, replacing, seal, write_text


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


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda number: order.append(os.readlink(f"/proc/self/fd/{number}")))
    monkeypatch.setattr(os, "replace", lambda source, target: (order.append("rename"), replace(source, target)))
    write_text(tmp_path / "summary.json", "{}")
    assert order == [str(tmp_path / ".tmp-summary.json"), "rename", str(tmp_path)]
    with replacing(tmp_path / "metrics.csv", sync=False) as temporary:
        temporary.touch()
    assert order[3:] == ["rename"]


def saved(path):
    torch.save({"weights": torch.arange(50.0), "name": "a"}, path)
    return path.read_bytes()


def test_a_sealed_file_is_read_as_before(tmp_path):
    path = tmp_path / "last.ckpt"
    saved(path)
    seal(path)
    check_seal(path)
    for mmap in (False, True):
        found = torch.load(path, weights_only=True, mmap=mmap)
        assert found["name"] == "a"
        assert found["weights"].equal(torch.arange(50.0))


def test_every_flipped_bit_and_every_cut_of_a_sealed_file_is_found(tmp_path):
    path = tmp_path / "last.ckpt"
    saved(path)
    seal(path)
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(bytes([*whole[:position], whole[position] ^ (1 << position % 8), *whole[position + 1 :]]))
        with pytest.raises(OSError, match="damaged"):
            check_seal(path)
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(OSError, match="damaged"):
            check_seal(path)


def test_a_file_that_was_never_sealed_is_checked_by_its_parts(tmp_path):
    path = tmp_path / "last.ckpt"
    whole = saved(path)
    check_seal(path)
    position = whole.index(torch.arange(50.0).numpy().tobytes()) + 7
    path.write_bytes(bytes([*whole[:position], whole[position] ^ 1, *whole[position + 1 :]]))
    with pytest.raises(OSError, match="damaged"):
        check_seal(path)

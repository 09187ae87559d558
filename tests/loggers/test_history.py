"""The rows of a tracker, over resumes."""

from triptych.loggers.history import History


def test_a_cut_takes_rows_back_and_remembers_how_far_they_went(tmp_path):
    history = History(tmp_path / "history.jsonl")
    history.cut(0)  # of nothing
    assert history.read() == ([], {})
    for frames in (4, 8, 12):
        history.append({"loss": frames / 2, "picture": object()}, frames)
    history.append({"eval": 1.0}, 8)
    history.cut(9)
    history.append({"loss": 0.5}, 10)
    rows, reached = history.read()
    assert [(row["frames"], row.get("loss")) for row in rows] == [(4, 2.0), (8, 4.0), (8, None), (10, 0.5)]
    assert reached == {"frames": 12, "loss": 12, "eval": 8}


def test_damaged_lines_are_left_out(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"frames": 4, "loss": 1.0}\n[1]\n{"frames": "x"}\n' + "[" * 100_000 + '\n{"frames": 8, "lo')
    assert History(path).read()[0] == [{"frames": 4, "loss": 1.0}]
    History(path).cut(2)  # stands on a line of its own
    assert History(path).read()[0] == []


def test_a_link_is_not_read(tmp_path):
    (tmp_path / "other").write_text('{"frames": 4}\n')
    (tmp_path / "history.jsonl").symlink_to(tmp_path / "other")
    assert History(tmp_path / "history.jsonl").read() == ([], {})

from triptych.callbacks.csv_file import CSVFile, cut_rows, read_rows, set_aside, write_rows


def test_rows_after_the_frame_are_cut_and_an_evaluation_that_is_owed(tmp_path):
    path = tmp_path / "metrics.csv"
    file = CSVFile(path, ["frames"])
    file.append({"frames": 8, "train/loss": 1}, {"frames": 8, "eval/return_mean": 2}, {"frames": 16, "train/loss": 3})
    cut_rows(path, 8)
    assert [row["frames"] for row in read_rows(path)[1]] == ["8", "8"]
    cut_rows(path, 8, owed="eval/return_mean")
    assert [row["train/loss"] for row in read_rows(path)[1]] == ["1"]
    cut_rows(path, 8, owed="a column that is not there yet")
    assert len(read_rows(path)[1]) == 1
    cut_rows(tmp_path / "none.csv", 8)  # nothing to cut is fine


def test_a_new_column_keeps_the_rows_before_it(tmp_path):
    path = tmp_path / "deep" / "metrics.csv"
    file = CSVFile(path, ["frames", "env_steps"])
    assert read_rows(path) == (["frames", "env_steps"], [])
    file.append({"frames": 1, "env_steps": 1})
    file.append({"frames": 2, "env_steps": 2, "train/loss": 0.125}, {"frames": 3, "eval/return_mean": 4})
    columns, rows = read_rows(path)
    assert columns == ["frames", "env_steps", "train/loss", "eval/return_mean"]
    assert [list(row.values()) for row in rows] == [["1", "1", "", ""], ["2", "2", "0.125", ""], ["3", "", "", "4"]]


def test_a_file_that_is_there_keeps_its_columns_and_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    write_rows(path, ["frames", "mine"], [{"frames": 1, "mine": 2}])
    CSVFile(path, ["frames", "env_steps"]).append({"frames": 2, "env_steps": 3})
    assert read_rows(path) == (
        ["frames", "mine", "env_steps"],
        [{"frames": "1", "mine": "2", "env_steps": ""}, {"frames": "2", "mine": "", "env_steps": "3"}],
    )
    assert [one.name for one in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"frames,loss\n1,0.5\nabc,0.5\n\xff\xfe,0.5\n2")
    assert read_rows(path)[1] == [{"frames": "1", "loss": "0.5"}]
    CSVFile(path, ["frames"]).append({"frames": 3, "loss": 0.25})
    assert [row["frames"] for row in read_rows(path)[1]] == ["1", "3"]


def test_what_a_spreadsheet_saved_is_read_or_kept_beside(tmp_path):
    path = tmp_path / "metrics.csv"
    CSVFile(path, ["frames", "train/loss"]).append({"frames": 8, "train/loss": 1})
    text = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + text)  # "CSV UTF-8"
    assert set_aside(path) is None
    assert read_rows(path) == (["frames", "train/loss"], [{"frames": "8", "train/loss": "1"}])
    field = b"frames," + b"x" * 200_000 + b"\n"  # longer than a reader takes
    for number, broken in enumerate((text.replace(b",", b";"), text.split(b"\n", 1)[1], field), 1):
        path.write_bytes(broken)
        assert set_aside(path) == tmp_path / f"metrics.csv.old{number}"
        assert (tmp_path / f"metrics.csv.old{number}").read_bytes() == broken
        assert not path.exists()
    assert set_aside(path) is None  # there is none
    path.touch()
    assert set_aside(path) is None  # there is nothing in it


def test_columns_of_a_kind_stand_beside_each_other_whenever_they_came(tmp_path):
    path = tmp_path / "metrics.csv"
    file = CSVFile(path, ["frames", "wall_time_s"])
    for row in ({"train/loss": 1, "mine": 2}, {"eval/return_mean": 3, "own/x": 4}, {"collect/x": 5, "train/x": 6}):
        file.append({"frames": 1, "wall_time_s": 2} | row)
    columns, rows = read_rows(path)
    assert columns == [
        "frames", "wall_time_s", "mine", "collect/x", "train/loss", "train/x", "eval/return_mean", "own/x"
    ]  # fmt: skip
    assert [row["train/x"] for row in rows] == ["", "", "6"]
    assert [row["train/loss"] for row in rows] == ["1", "", ""]

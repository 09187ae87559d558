from triptych.callbacks.csv_logger import CSVFile, CSVLogger, cut_rows, read_rows


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
    logger = CSVLogger(tmp_path)
    logger.log_metrics({"frames": 1, "env_steps": 1, "updates": 0, "wall_time_s": 0.5})
    logger.log_metrics({"frames": 2, "env_steps": 2, "updates": 1, "wall_time_s": 1.0, "train/loss": 0.123456789})
    logger.log_metrics({"epoch": 1})  # Lightning's own, without a place on the axis
    columns, rows = read_rows(tmp_path / "metrics.csv")
    assert columns == ["frames", "env_steps", "updates", "wall_time_s", "train/loss"]
    assert [row["train/loss"] for row in rows] == ["", "0.123457"]


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"frames,loss\n1,0.5\nabc,0.5\n\xff\xfe,0.5\n2")
    assert read_rows(path)[1] == [{"frames": "1", "loss": "0.5"}]
    CSVFile(path, ["frames"]).append({"frames": 3, "loss": 0.25})
    assert [row["frames"] for row in read_rows(path)[1]] == ["1", "3"]

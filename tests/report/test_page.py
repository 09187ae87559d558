"""The page of results, and what lies beside it."""

import csv
import json
import re
import shutil
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.report.run_folders import write_evaluations, write_run
from triptych.report.blocks import Chart, Charts, Series
from triptych.report.comparison import make_entries
from triptych.report.drawing import axes_of, draw
from triptych.report.runs import find_runs
from triptych.report.sections import protocol_sections
from triptych.report.writing import csv_text, write_report

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)> | [a](javascript:alert(1))'
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def write_page(folder: Path, target: Path) -> str:
    """Write the report of the runs in a folder; return the page."""
    runs, notes = find_runs([folder])
    return write_report(runs, notes, target)[0].read_text()


def sweep(folder: Path) -> None:
    """Write a sweep that is half finished: two protocols, one seed that runs, one that failed, one that is broken."""
    for seed in (1, 2):
        for protocol in ("nature", "machado"):
            run = write_run(folder / f"{protocol}{seed}", protocol=protocol, seed=seed, mean=10.0 * seed)
            write_evaluations(run, [(20_000, 60, -19.0), (40_000, 120, 9.0 * seed)])
    write_run(folder / "ppo", algo="ppo", seed=1, status="running")
    write_run(folder / "broken", seed=7).joinpath("summary.json").write_text("{")
    stopped = write_run(folder / "stopped", algo="a2c", seed=1, status="failed").joinpath("summary.json")
    stopped.write_text(json.dumps(json.loads(stopped.read_text()) | {"error": "The disk is full."}))
    failed = write_run(folder / "failed", seed=8, status="failed")
    failed.joinpath("metrics.csv").unlink()
    summary = json.loads(failed.joinpath("summary.json").read_text())
    failed.joinpath("summary.json").write_text(json.dumps(summary | {"error": "The ROM is missing."}))


class Elements(HTMLParser):
    """Collects elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_half_finished_sweep_is_told_with_what_is_missing(tmp_path: Path) -> None:
    sweep(tmp_path / "runs")
    page = write_page(tmp_path / "runs", tmp_path / "page")
    assert "seed 1 is running at 40,000 frames; no run of seed 2, which another algorithm has" in page
    broken = page.split('id="broken-or-left-out"')[1].split("<h2")[0]
    assert "broken cannot be read as a run" in broken
    assert "failed has no metrics.csv (failed: The ROM is missing)" in broken
    assert "stopped: The disk is full." in broken
    assert "15.00 [10.00, 20.00]" in page
    assert "dqn, mean of 2 seeds, 95% interval" in page
    assert "ppo, one seed" in page


def test_no_table_and_no_chart_holds_two_protocols(tmp_path: Path) -> None:
    sweep(tmp_path)
    sections = protocol_sections(make_entries(find_runs([tmp_path])[0]))
    assert [section.title for section in sections] == [
        "Protocol machado",
        "pong, protocol machado",
        "Protocol nature",
        "pong, protocol nature",
    ]
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Charts):
                for chart in block.charts:
                    assert {"dqn"} <= {series.name for series in chart.series} <= {"dqn", "ppo", "a2c"}
                    assert len({series.name for series in chart.series}) == len(chart.series)
    texts = {section.title: str(section.blocks) for section in sections}
    assert "Dopamine" in texts["pong, protocol machado"]
    assert "Dopamine" not in texts["pong, protocol nature"]
    assert "CleanRL" not in texts["pong, protocol machado"]


def test_nothing_of_a_folder_becomes_part_of_the_page_but_text(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / '"><script>alert(2)<', experiment="fast", note=HOSTILE)
    write_run(tmp_path / "runs" / "other", experiment="fast")  # so that the note is part of the algorithms' names
    summary = json.loads((folder / "summary.json").read_text())
    summary |= {
        "command": HOSTILE,
        "error": HOSTILE,
        "versions": {HOSTILE: HOSTILE, "half": "\ud800\0"},
        "tags": [HOSTILE],
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (write_run(tmp_path / "runs" / "<script>broken", seed=3) / "summary.json").write_text(
        f'{{"algo": "{escape("<b>")}"}}'
    )
    page = write_page(tmp_path / "runs", tmp_path / "page")
    assert escape(HOSTILE) in page
    allowed = "html head meta title style body h1 h2 h3 nav a p div table thead tbody tr th td figure ul li span "
    allowed += "details summary dl dt dd pre footer svg g line text polyline polygon circle"
    for tag, attributes in Elements(page).found:
        assert tag in allowed.split(), tag
        assert not any(name.startswith("on") for name in attributes), attributes
        for name in ("src", "href"):
            assert re.fullmatch(r"#[\w-]+|[\w.-]+", attributes.get(name) or "#x"), attributes
    tables = (tmp_path / "page" / "report.md").read_text()
    assert "<script>" not in tables
    assert "[a](" not in tables
    widths = {line.replace("\\|", "").count("|") for line in tables.splitlines() if line.startswith("| dqn-fast")}
    assert widths <= {line.count("|") for line in tables.splitlines() if line.startswith("| algo")}


def test_the_page_needs_nothing_from_elsewhere_and_is_the_same_again(tmp_path: Path) -> None:
    sweep(tmp_path / "runs")
    first = write_page(tmp_path / "runs", tmp_path / "page")
    assert first == write_page(tmp_path / "runs", tmp_path / "page")
    assert "default-src 'none'" in first
    assert not re.search(r"(src|href)=\"?(https?:|//)|url\(|@import", first)
    assert "NaN" not in first
    assert ">inf" not in first


def test_numbers_lie_beside_the_page(tmp_path: Path) -> None:
    sweep(tmp_path / "runs")
    write_page(tmp_path / "runs", tmp_path / "page")
    with (tmp_path / "page" / "scores.csv").open() as file:
        rows = {(row["protocol"], row["algo"]): row for row in csv.DictReader(file)}
    row = rows["nature", "dqn"]
    assert float(row["return_mean"]) == 15.0
    assert (float(row["return_mean_low"]), float(row["return_mean_high"])) == (10.0, 20.0)
    assert rows["nature", "ppo"]["return_mean"] == ""
    with (tmp_path / "page" / "runs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def test_a_text_is_no_formula() -> None:
    assert csv_text([{"text": "=1+1", "number": -1.0}]) == "text,number\n'=1+1,-1.0\n"


def test_without_matplotlib_there_is_a_page_without_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(tmp_path / "runs")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = write_page(tmp_path / "runs", tmp_path / "page")
    assert "<svg" in page
    assert "curves.png" not in page
    assert {path.name for path in (tmp_path / "page").iterdir()} == {
        "index.html",
        "report.md",
        "scores.csv",
        "runs.csv",
    }


def test_the_picture_has_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep(tmp_path / "runs")
    assert 'href="curves.png"' in write_page(tmp_path / "runs", tmp_path / "page")
    assert (tmp_path / "page" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_videos_are_part_of_the_page_where_they_are_small(tmp_path: Path) -> None:
    for name, size in (("small", 100), ("large", 400_000)):
        videos = write_run(tmp_path / "runs" / name, env=name) / "videos"
        videos.mkdir()
        (videos / "evaluation.mp4").write_bytes(b"v" * size)
        (videos / "link.mp4").symlink_to("/etc/hostname")
    page = write_page(tmp_path / "runs", tmp_path / "page")
    assert page.count("data:video/mp4;base64,dnZ2") == page.count("data:video") == 1
    assert 'href="../runs/large/videos/evaluation.mp4"' in page
    assert "link.mp4" not in page


def test_many_small_videos_do_not_make_a_large_page(tmp_path: Path) -> None:
    for seed in range(12):
        videos = write_run(tmp_path / "runs" / str(seed), seed=seed) / "videos"
        videos.mkdir()
        (videos / "evaluation.mp4").write_bytes(b"v" * 290_000)
    page = write_page(tmp_path / "runs", tmp_path / "page")
    assert page.count("data:video") == 10
    assert page.count("videos/evaluation.mp4") == 2


def test_a_run_tells_where_it_comes_from(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "a")
    summary = json.loads((folder / "summary.json").read_text())
    summary |= {"command": "python train.py env=pong", "git_commit": "0123abc", "versions": {"torch": "2.9"}}
    (folder / "summary.json").write_text(json.dumps(summary))
    runs = write_page(tmp_path / "runs", tmp_path / "page").split('id="runs"')[1]
    for words in ("python train.py env=pong", "0123abc", "torch 2.9", "batch_size: 32", "<polyline"):
        assert words in runs


@pytest.mark.parametrize(
    "points",
    [
        [(0.0, 0.0)],
        [(0.0, 5.0), (1.0, 5.0)],
        [(1.0, -1e99), (2.0, 1e99)],
        [(1.0, 1e16), (2.0, 1e16 + 2)],
        [(1.0, 1e-320)],
    ],
)
@pytest.mark.parametrize("is_time", [True, False])
def test_any_numbers_can_be_drawn(points: list[tuple[float, float]], is_time: bool) -> None:
    chart = Chart("", "x", "y", [Series("dqn", "one seed", None, [points])], is_time=is_time)
    picture = draw(chart, {"dqn": "c0"})
    for places in re.findall(r'(?:points|cx|cy|x|y|x1|y1|x2|y2)="([^"]*)"', picture):
        for number in re.split("[ ,]", places):
            assert -100 < float(number) < 1000, picture


def test_the_axis_is_logarithmic_where_a_curve_is_much_longer_than_most() -> None:
    def chart(*lengths: float) -> Chart:
        return Chart("", "", "", [Series(str(x), "", None, [[(x / 2, 0.0), (x, 1.0)]]) for x in lengths])

    assert axes_of(chart(10, 12, 300)).is_log
    assert not axes_of(chart(10, 280, 300)).is_log
    assert not axes_of(chart(10)).is_log


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    sweep(tmp_path / "runs")
    command = [
        sys.executable,
        str(ROOT / "scripts" / "report.py"),
        str(tmp_path / "runs"),
        "--html",
        str(tmp_path / "p"),
    ]
    process = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert process.returncode == 0, process.stderr
    assert f"Page: {tmp_path / 'p' / 'index.html'}" in process.stdout


def chromium(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    options += ["--enable-logging=stderr", "--virtual-time-budget=3000", *arguments]
    return subprocess.run([str(CHROMIUM), *options], capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [390, 1920])
def test_a_browser_shows_the_page_without_errors_and_without_scrolling_sideways(tmp_path: Path, width: int) -> None:
    sweep(tmp_path / "runs")
    write_run(tmp_path / "runs" / "x", experiment="long_name" * 8, note="word" * 50)
    write_run(tmp_path / "runs" / "y", experiment="long_name" * 8)
    page = write_page(tmp_path / "runs", tmp_path / "page").replace("<details>", "<details open>")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" width="{width}" height="900" style="border:0" srcdoc="{escape(page)}"></iframe>'
        '<p id="told"></p>'
        "<script>onload = () => { const root = document.getElementById('f').contentDocument.documentElement;"
        "document.getElementById('told').textContent = `${root.scrollWidth} of ${root.clientWidth}`; }</script>"
    )
    result = chromium(tmp_path, "--dump-dom", f"file://{frame}")
    told = re.search(r'<p id="told">(\d+) of (\d+)</p>', result.stdout)
    assert told is not None, result.stderr
    assert int(told[1]) <= int(told[2])
    assert width - 30 < int(told[2]) <= width
    shown = chromium(tmp_path, "--dump-dom", f"file://{tmp_path / 'page' / 'index.html'}")
    assert "How the numbers are made" in shown.stdout
    assert "CONSOLE" not in shown.stderr

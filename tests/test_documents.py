"""What the documents say can be followed: their links lead somewhere, their command lines are accepted."""

import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.front_door import ROOT, call
from triptych.command.main import check, in_own_names
from triptych.run.job import folder_of
from triptych.types import ConfigurationError

LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True).stdout.split()
PAGES = LISTED or [str(path.relative_to(ROOT)) for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"))]
# What stands in a command line for something of the reader's own.
OWN = ("RUN_FOLDER", "my_algorithm", "my_lab", "boltzmann_dqn", "corridor", "<", "...", "/path/", "logger=mine")


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ +(.*)$", prose(text), flags=re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(page):
    assert broken_links(ROOT / page) == []


def test_a_link_to_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title: `one`\n[a](page.md#a-title-one) [b](page.md#two) [c](none.md) [d](#a-title-one)\n")
    assert broken_links(page) == ["page.md#two", "none.md"]


def commands(start: str) -> list[str]:
    """Return what follows these words in the blocks of all pages, without comments."""
    lines = [line for page in PAGES for block in blocks((ROOT / page).read_text()) for line in block.splitlines()]
    found = [re.search(rf"(?:^|[\s/]){re.escape(start)}(.*)", line) for line in lines]
    return sorted({re.sub(r"\s+#.*", "", match[1]).strip() for match in found if match})


TRAINING = [line for line in commands("python train.py") if not any(word in line for word in OWN)]
SCRIPTS = commands("python scripts/")


@pytest.mark.parametrize("line", TRAINING)
def test_every_run_that_is_named_is_accepted(line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where the folder of a sweep is made
    arguments = shlex.split(line)
    if {"--help", "--cfg"} & set(arguments):
        return
    try:
        check(in_own_names(arguments), with_environments=False)
    except ConfigurationError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize("line", SCRIPTS)
def test_every_script_that_is_named_has_the_options_that_are(line, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")  # where one script imports another
    name, *arguments = shlex.split(line)
    options = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
    if not options:
        return
    script = importlib.import_module(f"scripts.{name.removesuffix('.py')}")
    shown = call(script.main, name, *arguments[: not arguments[0].startswith("-")], "--help").stdout
    assert options - {*re.findall(r"--[a-z0-9-]+", shown)} == set()


def test_the_folder_of_the_first_run_is_the_one_that_it_has():
    (job,) = check(in_own_names(["env=catch", "logger=csv"]), with_environments=False)
    printed = set(re.findall(r"outputs/dqn/catch/\S+?/seed\S+?(?=[/\s])", (ROOT / "README.md").read_text()))
    assert printed == {str(folder_of(job.cfg, job.choices))}


def test_command_lines_are_found():
    assert "algo=dqn env=pong" in TRAINING
    assert "watch.py RUN_FOLDER --gif" in SCRIPTS


def test_the_list_of_algorithms_names_every_one_and_every_page():
    page = ROOT / "docs" / "algorithms" / "README.md"
    table = [line.split("|") for line in page.read_text().splitlines() if line.startswith("| `")]
    named = [name for row in table for name in re.findall(r"`(\w+)`", row[1])]
    assert sorted(named) == sorted(path.stem for path in (ROOT / "conf" / "algo").glob("*.yaml"))
    linked = {link for row in table for link in re.findall(r"\((\w+\.md)\)", row[2])}
    assert linked == {path.name for path in page.parent.glob("*.md")} - {page.name}

"""The import law of docs/design.md, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "triptych"
GROUND = {"types", "files", "ranks", "compiled"}  # which every room may import


def laws() -> list[dict[str, list[str]]]:
    """Read the two tables of docs/design.md, `a, b -> c, d`: rooms, and places of third parties."""
    section = (ROOT / "docs" / "design.md").read_text().split("## The import law")[1].split("\n## ")[0]
    tables = []
    for block in section.split("```")[1::2]:
        table = {}
        for line in block.strip().splitlines():
            left, right = line.split("->")
            for name in left.split(","):
                table[name.strip()] = [word.strip() for word in right.partition(";")[0].split(",")]
        tables.append(table)
    return tables


ROOMS, PLACES = laws()
IN_ROOT = ("train.py", "scripts/")


def test_every_room_has_its_law():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == ROOMS.keys() - set(IN_ROOT)


def may_import(room: str) -> set[str]:
    words = ROOMS[room]
    if words == ["every room"]:
        return {*ROOMS}
    return (set() if words == ["no other room"] else {*words}) | {room} | (set() if room in GROUND else GROUND)


SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py"), ROOT / "train.py"])

WHAT_THEY_SHARE = ("__init__", "base", "extended_epsilon_greedy", "hidden_states", "metric_means", "planner", "tables")
ALGORITHMS = sorted(path for path in (PACKAGE / "algos").glob("*.py") if path.stem not in WHAT_THEY_SHARE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(path: Path) -> set[str]:
    return modules_in(ast.parse(path.read_text()), path)


def modules_in(tree: ast.AST, path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            modules.add(node.module or "")
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("path", [path for path in SOURCES if PACKAGE in path.parents], ids=name_of)
def test_a_room_imports_only_the_rooms_below_it(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    allowed = may_import(room) if room != "__init__" else set()
    for module in imported_modules(path):
        if module.startswith("triptych."):
            inner = module.removeprefix("triptych.")
            assert any(inner == name or inner.startswith(f"{name}.") for name in allowed), (
                f"{name_of(path)} imports {module}"
            )


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_third_party_packages_stay_in_their_rooms(path):
    place = name_of(path).removeprefix("src/triptych/")
    for module in imported_modules(path):
        allowed = PLACES.get(module.partition(".")[0])
        if allowed is not None:
            assert place.startswith(tuple(allowed)), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", [path for path in SOURCES if PACKAGE in path.parents], ids=name_of)
def test_what_a_run_need_not_have_is_imported_by_the_run_that_uses_it(path):
    tree = ast.parse(path.read_text())
    at_once = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    for module in modules_in(at_once, path):
        assert module.partition(".")[0] not in ("imageio_ffmpeg", "matplotlib", "mujoco"), f"{name_of(path)}: {module}"
    for module in modules_in(tree, path):  # a tracker is found by the name that its config gives
        assert path.parent.name == "loggers" or not module.startswith("triptych.loggers"), f"{name_of(path)}: {module}"


@pytest.mark.parametrize("path", [path for path in SOURCES if PACKAGE in path.parents], ids=name_of)
def test_no_config_object_travels_inward(path):
    if path.relative_to(PACKAGE).parts[0] in ("build.py", "command", "run"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            names = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
            assert "cfg" not in names, f"{name_of(path)}: {node.name} takes a cfg"


@pytest.mark.parametrize("path", [path for path in SOURCES if PACKAGE in path.parents], ids=name_of)
def test_episode_ends_are_resolved_before_replay(path):
    room = path.relative_to(PACKAGE).parts[0]
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not names & {"done", "dones"}
    if room not in ("envs", "collect", "types"):
        assert not names & {"terminated", "truncated"}


@pytest.mark.parametrize("path", ALGORITHMS, ids=name_of)
def test_an_algorithm_is_read_in_one_sitting(path):
    limit = 300 if path.stem == "muzero" else 200
    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_drawer_for_everything(path):
    assert path.stem not in ("utils", "util", "common", "misc", "helpers")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(("Manager", "Helper", "Handler", "Utils"))


def test_the_readme_shows_the_picture_and_the_loop_as_they_are():
    readme, design = ((ROOT / name).read_text() for name in ("README.md", "docs/design.md"))
    picture = design.split("## The picture")[1].split("```")[1]
    assert picture in readme
    loop = ast.get_docstring(ast.parse((PACKAGE / "algos" / "base.py").read_text()))
    assert loop[loop.index(" 1. ") :] in readme


def test_algorithm_files_keep_one_order():
    for path in ALGORITHMS:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
                main = [name for name in methods if name in ("__init__", "act", "loss", "learn")]
                assert main in (["__init__", "act", "loss"], ["__init__", "act", "learn"]), name_of(path)

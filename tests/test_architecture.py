"""The import law of docs/design.md, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "triptych"
ROOMS = {
    "functional": set(),
    "envs": set(),
    "collect": set(),
    "replay": set(),
    "networks": {"functional"},
    "planning": {"functional"},
    "data": {"collect", "replay"},
    "algos": {"functional", "networks", "planning"},
    "callbacks": {"collect"},
    "report": {"envs.scores"},
}
# The front door's own files, which make the introductions.
FRONT_DOOR = {
    "__init__": set(),
    "types": set(),
    "hardware": set(),
    "rules": set(),
    "config": {"envs", "rules"},
    "run_folder": {"replay.buffer", "report.runs"},
    "build": {*ROOMS, "hardware"},
    "restore": {*ROOMS, "build"},
    "run": {"build", "callbacks", "hardware", "rules", "run_folder"},
}
# third-party root -> where it may be imported, as paths below the repository
THIRD_PARTY = {
    "hydra": ("train.py", "scripts/", "src/triptych/build.py", "src/triptych/config.py", "src/triptych/restore.py"),
    "omegaconf": (
        "train.py",
        "scripts/",
        "src/triptych/build.py",
        "src/triptych/config.py",
        "src/triptych/rules.py",
        "src/triptych/run.py",
        "src/triptych/restore.py",
    ),
    "pytorch_lightning": (
        "scripts/",
        "src/triptych/algos/",
        "src/triptych/data/",
        "src/triptych/callbacks/",
        "src/triptych/build.py",
    ),
    "lightning": (),
    "gymnasium": ("src/triptych/envs/", "src/triptych/collect/", "scripts/"),
    "ale_py": ("src/triptych/envs/", "src/triptych/collect/", "scripts/"),
    "minigrid": ("src/triptych/envs/",),
    "mujoco": ("src/triptych/envs/",),
    "wandb": ("src/triptych/callbacks/tracking.py",),
    "numba": ("src/triptych/planning/",),
}
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py"), ROOT / "train.py"])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            modules.add(node.module or "")
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


@pytest.mark.parametrize("path", [path for path in SOURCES if PACKAGE in path.parents], ids=name_of)
def test_a_room_imports_only_the_rooms_below_it(path):
    room, *inside = path.relative_to(PACKAGE).with_suffix("").parts
    allowed = (ROOMS[room] if inside else FRONT_DOOR[room]) | {room, "types"}
    for module in imported_modules(path):
        if module.startswith("triptych."):
            inner = module.removeprefix("triptych.")
            assert any(inner == name or inner.startswith(f"{name}.") for name in allowed), (
                f"{name_of(path)} imports {module}"
            )


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_third_party_packages_stay_in_their_rooms(path):
    for module in imported_modules(path):
        allowed = THIRD_PARTY.get(module.partition(".")[0])
        if allowed is not None:
            assert name_of(path).startswith(allowed), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", [path for path in SOURCES if PACKAGE in path.parents], ids=name_of)
def test_no_config_object_travels_inward(path):
    if path.name in ("build.py", "config.py", "rules.py", "run.py", "restore.py"):
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
    if room not in ("envs", "collect", "types.py"):
        assert not names & {"terminated", "truncated"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "algos").glob("*.py")), ids=name_of)
def test_an_algorithm_is_read_in_one_sitting(path):
    limit = 300 if path.stem == "muzero" else 200
    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_drawer_for_everything(path):
    assert path.stem not in ("utils", "util", "common", "misc", "helpers")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(("Manager", "Helper", "Handler", "Utils"))


def test_algorithm_files_keep_one_order():
    for path in sorted((PACKAGE / "algos").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and path.stem not in ("__init__", "base"):
                methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
                main = [name for name in methods if name in ("__init__", "act", "loss")]
                assert main == ["__init__", "act", "loss"], name_of(path)

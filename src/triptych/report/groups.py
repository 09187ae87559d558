"""Runs put into groups that may be compared: one protocol, env, algorithm and settings, and any seed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from triptych.report.published import MADE_WITH
from triptych.report.runs import Run

MOST_SAID = 4  # settings in the name of a group of runs


def tell_protocols_apart(runs: Sequence[Run]) -> list[Run]:
    """Add to a protocol's name the settings in which a run under it differs from most, such as sticky actions.

    What the protocol's published scores were made with has the name for itself, whatever most runs have. Where two
    values are as frequent, each is said.
    """
    values: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for run in runs:
        for key, value in run.preprocessing.items():
            values[run.protocol, key][json.dumps(value)] += 1

    def is_usual(run: Run, key: str, value: Any) -> bool:
        made_with = MADE_WITH.get(run.protocol, {})
        counts = values[run.protocol, key]
        if key in made_with or len(counts) == 1:
            return len(counts) == 1 or value == made_with[key]
        (most, count), (_, next_count) = counts.most_common(2)
        return count > next_count and json.dumps(value) == most

    told = []
    for run in runs:
        own = {key: value for key, value in run.preprocessing.items() if not is_usual(run, key, value)}
        name = ", ".join(f"{key}={value}" for key, value in sorted(own.items()))
        told.append(replace(run, protocol=f"{run.protocol} ({name})" if name else run.protocol))
    return told


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that differ in their seed alone, sorted by protocol, env and algorithm.

    Runs of one name whose settings differ come into groups of their own, their names told apart by the
    settings in which they differ.
    """
    runs = tell_protocols_apart(runs)
    named: dict[tuple[str, str, str], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        named[run.protocol, run.env, run.algo][run.settings_hash].append(run)
    groups = []
    for _, variants in sorted(named.items()):
        names = _differences([group[0].settings for group in variants.values()])
        for name, group in zip(names, variants.values(), strict=True):
            algo = f"{group[0].algo} ({name})" if name else group[0].algo
            groups.append([replace(run, algo=algo) for run in sorted(group, key=lambda run: run.seed)])
    return groups


def _differences(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say of each of these in which settings it differs from the others, nothing where there is nothing to say.

    What one has as a node and another as ``null`` is named of the latter alone: ``replay=None``. Where the settings
    that all of them have do not tell them apart, some being of other versions, as few of all as do are said, numbers
    before switches, and none of an option that is off.
    """
    keys = sorted({key for one in settings for key in one})
    nodes = [key for key in keys if any(other.startswith(f"{key}.") for other in keys)]

    def node_of(key: str) -> str | None:
        return next((node for node in nodes if key.startswith(f"{node}.")), None)

    def differs(key: str) -> bool:
        return len({json.dumps(one.get(key)) for one in settings if node_of(key) not in one}) > 1

    def is_said(key: str, one: Mapping[str, Any]) -> bool:
        if key.endswith("._target_") and one.get(key) is None:  # without a class there is nothing to name
            return False
        return key in one or (key not in nodes and node_of(key) not in one)

    def names_by(keys: Sequence[str]) -> list[str]:
        said = [[key for key in keys if is_said(key, one)] for one in settings]
        return [
            ", ".join(dict.fromkeys(f"{_short(key)}={one.get(key)}" for key in own))
            for own, one in zip(said, settings, strict=True)
        ]

    differing = [key for key in keys if key in nodes or differs(key)]
    shared = [key for key in differing if key in nodes or all(key in one or node_of(key) in one for one in settings)]
    for said in (shared[:MOST_SAID], shared):
        names = names_by(said)
        if len(set(names)) == len(settings):
            return names

    def is_on(key: str) -> bool:
        switches = {other for other in keys if key.startswith(f"{other}_")}
        return any(one.get(key) and all(one.get(switch) is not False for switch in switches) for one in settings)

    def num_names(keys: Sequence[str]) -> int:
        return len(set(names_by(keys)))

    by_kind = sorted(differing, key=lambda key: any(isinstance(one.get(key), bool | str) for one in settings))
    few: list[str] = []
    for pool in (shared, [key for key in by_kind if is_on(key)], differing):
        rest = [key for key in pool if key not in few]
        while rest and num_names([*few, best := max(rest, key=lambda key: num_names([*few, key]))]) > num_names(few):
            few.append(best)
            rest.remove(best)
    return names_by(few)


def _short(key: str) -> str:
    """Name a setting by its last part; a class by what it is of."""
    return key.removesuffix("._target_").rpartition(".")[2]

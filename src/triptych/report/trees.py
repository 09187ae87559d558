"""A searched tree as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from triptych.files import replacing


class TreePicture(NamedTuple):
    """One root's tree, node 0 the root: what `draw_tree` shows."""

    parents: np.ndarray  # [M] int, -1 for the root and for nodes that were never added
    actions: np.ndarray  # [M] int, from the parent
    visits: np.ndarray  # [M] int
    values: np.ndarray  # [M] float
    chosen_action: int
    action_weights: np.ndarray  # [A]
    action_names: Sequence[str] = ()  # [A]; empty where actions have numbers alone


MOST_BARS = 18  # of more actions, those with the largest weights are drawn


def layout(parents: Sequence[int]) -> dict[int, tuple[float, int]]:
    """Place each node: leaves beside each other, a parent above the middle of its children; y is the depth."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(parents):
        if parent >= 0:
            children.setdefault(int(parent), []).append(node)
    depth_of, order, waiting = {0: 0}, [], [0]
    while waiting:  # depth first, so that the leaves come in the order in which they stand
        node = waiting.pop()
        order.append(node)
        for child in reversed(children.get(node, [])):
            depth_of[child] = depth_of[node] + 1
            waiting.append(child)
    x_of: dict[int, float] = {}
    for leaf in (node for node in order if node not in children):
        x_of[leaf] = float(len(x_of))
    for node in reversed(order):
        if node in children:
            x_of[node] = (x_of[children[node][0]] + x_of[children[node][-1]]) / 2
    return {node: (x_of[node], depth_of[node]) for node in order}


def draw_tree(path: Path, tree: TreePicture, frame: np.ndarray, title: str) -> None:
    """Draw the frame ``[H, W, 3]``, the tree and the policy that the search made.

    A node's area is its visits, its colour its value; an edge carries its action.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(14, 5), width_ratios=[2, 7, 2], layout="constrained")
    left.imshow(frame)
    left.set_axis_off()
    left.set_title(title, fontsize=9)

    places = layout(tree.parents.tolist())
    for node, (x, depth) in places.items():
        parent = int(tree.parents[node])
        if parent < 0:
            continue
        parent_x, parent_depth = places[parent]
        is_chosen = parent == 0 and tree.actions[node] == tree.chosen_action
        middle.plot(
            [parent_x, x], [-parent_depth, -depth], zorder=1,
            color="black" if is_chosen else "lightgrey", linewidth=2.0 if is_chosen else 1.0,
        )  # fmt: skip
        name = tree.action_names[tree.actions[node]] if tree.action_names else str(tree.actions[node])
        middle.annotate(name, ((parent_x + x) / 2, -(parent_depth + depth) / 2), fontsize=7, ha="center")
    nodes = list(places)
    points = middle.scatter(
        [places[node][0] for node in nodes],
        [-places[node][1] for node in nodes],
        s=30 + 25 * tree.visits[nodes],
        c=tree.values[nodes],
        cmap="viridis",
        edgecolors="black",
        zorder=2,
    )
    figure.colorbar(points, ax=middle, label="value", shrink=0.8)
    middle.set_axis_off()
    middle.set_title(f"{len(nodes)} nodes; area: visits", fontsize=9)

    draw_policy(right, tree)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format=path.suffix[1:] or "png")
    pyplot.close(figure)


def draw_policy(axes, tree: TreePicture) -> None:
    """Draw a bar for the weight of each action, of many for the largest."""
    weights, actions = tree.action_weights, list(range(len(tree.action_weights)))
    is_cut = len(actions) > MOST_BARS
    if is_cut:
        actions = sorted(actions, key=lambda action: -weights[action])[:MOST_BARS]
    rows = range(len(actions))
    axes.barh(rows, weights[actions], color=["black" if action == tree.chosen_action else "grey" for action in actions])
    axes.set_yticks(rows, [tree.action_names[action] if tree.action_names else str(action) for action in actions])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("weight")
    axes.set_ylabel("action")
    axes.set_title("policy of the search" + (f", the {MOST_BARS} largest" if is_cut else ""), fontsize=9)

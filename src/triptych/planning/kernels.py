"""The search of one root, in scalars, compiled for the CPU and for CUDA from this one source.

Each function follows one root through its tree; ``root`` is its row in the arrays of ``TreeArrays``. On the CPU a
compiled loop takes the roots in turn, on a GPU each has a thread of its own. A tree level is a few dozen additions for
each root, and as batched tensor operations it would be some thirty launches, masked for the deepest root of the batch.

Reals are single precision in the arrays and double precision in between. All compiled functions are in this file
because Numba's cache looks at the time stamp of the calling function's file only.

Notation of the papers: N(s) ``node_visits``, N(s, a) ``children_visits``, Q(s, a) ``children_q_values``,
P(s, a) ``children_prior_probs``. MuZero is Schrittwieser et al. 2020, Gumbel MuZero Danihelka et al. 2022.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, njit

from triptych.planning.qtransforms import BY_MIN_MAX, BY_PARENT_AND_SIBLINGS
from triptych.planning.tree import NO_PARENT, ROOT, UNVISITED

NO_ACTION = -1
LOWEST_SCORE = -1e9  # a considered action stays ahead of those that are not, however low its prior
SMALLEST_PROB = float(np.finfo(np.float32).tiny)


class Rules(NamedTuple):
    """How actions are selected. Arrays that a rule has no use for are empty."""

    uses_gumbel: bool
    max_depth: int
    qtransform: tuple[Any, ...]  # a QTransform
    pb_c_init: float
    pb_c_base: float
    gumbel: Any  # [B, A]
    considered_visits: Any  # [B, simulations], the schedule of Sequential Halving


class Frontier(NamedTuple):
    """Where the simulation at hand left the trees. Rows count nodes over the whole batch: root * M + node."""

    parent_row: Any  # [B]
    action: Any  # [B]
    child_row: Any  # [B], of the node to add, or of the leaf at max_depth to evaluate once more
    scores: Any  # [B, A], working space


class Evaluation(NamedTuple):
    """What the model said of the frontier."""

    reward: Any  # [B]
    discount: Any  # [B]
    prior_logits: Any  # [B, A]
    value: Any  # [B]


scalar = njit(error_model="numpy", nogil=True)


# --- Q-transforms ------------------------------------------------------------------------------------------


@scalar
def by_parent_and_siblings(tree, root, node, qtransform, out):
    """MuZero, appendix B, equation 5, over the node and its visited children instead of the whole tree."""
    visits, q_values = tree.children_visits[root, node], tree.children_q_values[root, node]
    low = high = float(tree.node_values[root, node])
    for action in range(len(out)):
        if visits[action] > 0:
            low = min(low, float(q_values[action]))
            high = max(high, float(q_values[action]))
    width = max(high - low, qtransform.epsilon)
    for action in range(len(out)):
        out[action] = (q_values[action] - low) / width if visits[action] > 0 else 0.0


@scalar
def by_min_max(tree, root, node, qtransform, out):
    """Scale by the extremes that the caller knows."""
    visits, q_values = tree.children_visits[root, node], tree.children_q_values[root, node]
    width = qtransform.max_value - qtransform.min_value
    for action in range(len(out)):
        out[action] = (q_values[action] - qtransform.min_value) / width if visits[action] > 0 else 0.0


@scalar
def mixed_value(tree, root, node):
    """Gumbel MuZero, appendix D: (v + ΣN Σ π(a) q(a) / Σ π(a)) / (1 + ΣN), the sums over visited actions."""
    visits, q_values = tree.children_visits[root, node], tree.children_q_values[root, node]
    probs = tree.children_prior_probs[root, node]
    sum_visits, sum_probs, sum_q = 0, 0.0, 0.0
    for action in range(len(visits)):
        if visits[action] > 0:
            prob = max(float(probs[action]), SMALLEST_PROB)
            sum_visits += visits[action]
            sum_probs += prob
            sum_q += prob * q_values[action]
    if sum_visits == 0:
        return float(tree.raw_values[root, node])
    return (tree.raw_values[root, node] + sum_visits * (sum_q / sum_probs)) / (1 + sum_visits)


@scalar
def completed_by_mix_value(tree, root, node, qtransform, out):
    """Gumbel MuZero, equation 10 (completed Q), then equation 8: σ(q) = (c_visit + max N) c_scale q."""
    visits, q_values = tree.children_visits[root, node], tree.children_q_values[root, node]
    completion = mixed_value(tree, root, node) if qtransform.use_mixed_value else float(tree.raw_values[root, node])
    low, high, max_visits = math.inf, -math.inf, 0
    for action in range(len(out)):
        out[action] = q_values[action] if visits[action] > 0 else completion
        low, high = min(low, out[action]), max(high, out[action])
        max_visits = max(max_visits, visits[action])
    scale = (qtransform.maxvisit_init + max_visits) * qtransform.value_scale
    if qtransform.rescale_values:
        scale /= max(high - low, qtransform.epsilon)
    else:
        low = 0.0
    for action in range(len(out)):
        out[action] = scale * (out[action] - low)


@scalar
def transform_q_values(tree, root, node, qtransform, out):
    """Write the transformed Q-values of a node's actions to ``out [A]``."""
    if qtransform.kind == BY_PARENT_AND_SIBLINGS:
        by_parent_and_siblings(tree, root, node, qtransform, out)
    elif qtransform.kind == BY_MIN_MAX:
        by_min_max(tree, root, node, qtransform, out)
    else:
        completed_by_mix_value(tree, root, node, qtransform, out)


# --- selection ---------------------------------------------------------------------------------------------


@scalar
def softmax(logits, out):
    """Write the softmax of ``logits [A]`` to ``out [A]``, which may be the same."""
    highest, total = -math.inf, 0.0
    for action in range(len(logits)):
        highest = max(highest, float(logits[action]))
    for action in range(len(logits)):
        out[action] = math.exp(logits[action] - highest)
        total += out[action]
    for action in range(len(logits)):
        out[action] /= total


@scalar
def select_by_puct(tree, root, node, rules, scores):
    """MuZero, appendix B, equation 2: argmax Q + P sqrt(N(s)) / (1 + N(s, a)) (c1 + log((N(s) + c2 + 1) / c2)).

    N(s) counts the node's own evaluation too, so the prior decides already the first selection. Of equals the first.
    """
    transform_q_values(tree, root, node, rules.qtransform, scores)
    node_visits = tree.node_visits[root, node]
    c = rules.pb_c_init + math.log((node_visits + rules.pb_c_base + 1.0) / rules.pb_c_base)
    weight = c * math.sqrt(node_visits)
    visits, probs = tree.children_visits[root, node], tree.children_prior_probs[root, node]
    best_action, best_score = NO_ACTION, -math.inf
    for action in range(len(visits)):
        if node == ROOT and tree.root_invalid_actions[root, action]:
            continue
        score = scores[action] + weight * probs[action] / (visits[action] + 1)
        if best_action == NO_ACTION or score > best_score:
            best_action, best_score = action, score
    return best_action


@scalar
def select_considered(tree, root, considered_visit, rules, scores):
    """Gumbel MuZero, algorithm 2: argmax g + logits + σ(completedQ) among the root's actions with so many visits."""
    transform_q_values(tree, root, ROOT, rules.qtransform, scores)
    visits, logits = tree.children_visits[root, ROOT], tree.children_prior_logits[root, ROOT]
    highest = -math.inf
    for action in range(len(logits)):
        highest = max(highest, float(logits[action]))
    best_action, best_score = NO_ACTION, -math.inf
    for action in range(len(visits)):
        if tree.root_invalid_actions[root, action] or visits[action] != considered_visit:
            continue
        score = max(LOWEST_SCORE, rules.gumbel[root, action] + (logits[action] - highest) + scores[action])
        if best_action == NO_ACTION or score > best_score:
            best_action, best_score = action, score
    return best_action


@scalar
def select_by_improved_policy(tree, root, node, rules, scores):
    """Gumbel MuZero, equations 11 and 14: argmax π'(a) - N(a) / (1 + ΣN), π' = softmax(logits + σ(completedQ))."""
    transform_q_values(tree, root, node, rules.qtransform, scores)
    visits, logits = tree.children_visits[root, node], tree.children_prior_logits[root, node]
    sum_visits = 0
    for action in range(len(visits)):
        scores[action] += logits[action]
        sum_visits += visits[action]
    softmax(scores, scores)
    best_action, best_score = 0, -math.inf
    for action in range(len(visits)):
        score = scores[action] - visits[action] / (1 + sum_visits)
        if score > best_score:
            best_action, best_score = action, score
    return best_action


# --- a simulation ------------------------------------------------------------------------------------------


@scalar
def descend(root, tree, rules, simulation, frontier):
    """Select actions from the root down to one without a node, or to ``max_depth``."""
    num_nodes = tree.parents.shape[1]
    scores = frontier.scores[root]
    node, child, depth = NO_PARENT, ROOT, 0
    action = NO_ACTION
    while child != UNVISITED and depth < rules.max_depth:
        node = child
        if not rules.uses_gumbel:
            action = select_by_puct(tree, root, node, rules, scores)
        elif node == ROOT:
            action = select_considered(tree, root, rules.considered_visits[root, simulation], rules, scores)
        else:
            action = select_by_improved_policy(tree, root, node, rules, scores)
        child = tree.children_index[root, node, action]
        depth += 1
    frontier.parent_row[root] = root * num_nodes + node
    frontier.action[root] = action
    frontier.child_row[root] = root * num_nodes + (simulation + 1 if child == UNVISITED else child)


@scalar
def expand(root, tree, frontier, evaluation):
    """Write what the model said to the child, and return the child."""
    first_row = root * tree.parents.shape[1]
    parent, action = frontier.parent_row[root] - first_row, frontier.action[root]
    child = frontier.child_row[root] - first_row
    tree.children_index[root, parent, action] = child
    tree.children_rewards[root, parent, action] = evaluation.reward[root]
    tree.children_discounts[root, parent, action] = evaluation.discount[root]
    tree.parents[root, child] = parent
    tree.action_from_parent[root, child] = action
    tree.raw_values[root, child] = evaluation.value[root]
    tree.node_values[root, child] = evaluation.value[root]
    tree.node_visits[root, child] += 1
    for a in range(evaluation.prior_logits.shape[1]):
        tree.children_prior_logits[root, child, a] = evaluation.prior_logits[root, a]
    softmax(evaluation.prior_logits[root], tree.children_prior_probs[root, child])
    return child


@scalar
def back_up(root, tree, leaf):
    """Carry the leaf's value to the root: MuZero, appendix B, equations 3 and 4."""
    node, value = leaf, float(tree.raw_values[root, leaf])
    while node != ROOT:
        parent, action = tree.parents[root, node], tree.action_from_parent[root, node]
        reward = tree.children_rewards[root, parent, action]
        discount = tree.children_discounts[root, parent, action]
        value = reward + discount * value
        visits = tree.node_visits[root, parent]
        tree.node_values[root, parent] = (tree.node_values[root, parent] * float(visits) + value) / (visits + 1)
        tree.node_visits[root, parent] = visits + 1
        tree.children_visits[root, parent, action] += 1
        tree.children_q_values[root, parent, action] = reward + discount * float(tree.node_values[root, node])
        node = parent


@scalar
def grow(root, tree, frontier, evaluation):
    """Add the evaluated node and tell its ancestors."""
    back_up(root, tree, expand(root, tree, frontier, evaluation))


@scalar
def decide(root, tree, rules, frontier):
    """Choose among the root's most visited actions; leave σ(completedQ) of the root in ``scores``."""
    visits = tree.children_visits[root, ROOT]
    most = 0
    for action in range(len(visits)):
        most = max(most, visits[action])
    frontier.action[root] = select_considered(tree, root, most, rules, frontier.scores[root])


# --- all roots, on the CPU ---------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def descend_on_cpu(tree, rules, simulation, frontier):
    for root in range(len(frontier.action)):
        descend(root, tree, rules, simulation, frontier)


@njit(cache=True, nogil=True)
def grow_on_cpu(tree, frontier, evaluation):
    for root in range(len(frontier.action)):
        grow(root, tree, frontier, evaluation)


@njit(cache=True, nogil=True)
def decide_on_cpu(tree, rules, frontier):
    for root in range(len(frontier.action)):
        decide(root, tree, rules, frontier)


# --- all roots, on a GPU -----------------------------------------------------------------------------------


@cuda.jit
def descend_on_cuda(tree, rules, simulation, frontier):
    root = cuda.grid(1)
    if root < len(frontier.action):
        descend(root, tree, rules, simulation, frontier)


@cuda.jit
def grow_on_cuda(tree, frontier, evaluation):
    root = cuda.grid(1)
    if root < len(frontier.action):
        grow(root, tree, frontier, evaluation)


@cuda.jit
def decide_on_cuda(tree, rules, frontier):
    root = cuda.grid(1)
    if root < len(frontier.action):
        decide(root, tree, rules, frontier)

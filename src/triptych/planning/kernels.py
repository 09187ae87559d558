"""The search of one root, in scalars, compiled for the CPU and for CUDA from this one source.

Each function follows one root through its tree. On the CPU a compiled loop takes the roots in turn, on a GPU each has
a thread of its own. A level of the tree is a few dozen additions for each root; as batched tensor operations it would
be some thirty launches, all masked for the deepest root of the batch.

Reals are single precision in the tree and double precision in between. All compiled functions are in this file because
Numba's cache looks only at the time stamp of the file of the function that is called from Python.

Notation of the papers: N(s) is ``node.visits``, and of ``child = tree.children[root, node, action]`` N(s, a) is
``child.visits``, Q(s, a) ``child.q_value``, P(s, a) ``child.prior_prob``. MuZero is Schrittwieser et al. 2020, Gumbel
MuZero Danihelka et al. 2022.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, njit

from triptych.compiled import compiled
from triptych.planning.qtransforms import BY_MIN_MAX, BY_PARENT_AND_SIBLINGS
from triptych.planning.tree import NO_PARENT, ROOT, UNVISITED

NO_ACTION = -1
LOWEST_SCORE = -1e9  # a considered action stays ahead of those that are not, however low its prior
SMALLEST_PROB = float(np.finfo(np.float32).tiny)

LEAF = np.dtype([("parent_row", "i8"), ("action", "i8"), ("node", "i8"), ("fault", "i8")], align=True)
REWARD_FAULT, DISCOUNT_FAULT, PRIOR_FAULT, VALUE_FAULT = 1, 2, 3, 4  # what is not finite, in the order of `Evaluation`


class Tree(NamedTuple):
    """The arrays of a ``SearchTree``."""

    nodes: Any  # [B, M] of NODE
    children: Any  # [B, M, A] of CHILD
    invalid_actions: Any  # [B, A], at the root


class Rules(NamedTuple):
    """How actions are selected. The arrays are empty for PUCT, which has no use for them."""

    num_simulations: int
    max_depth: int
    qtransform: Any  # a QTransform
    pb_c_init: float
    pb_c_base: float
    uses_gumbel: bool
    gumbel: Any  # [B, A]
    considered_visits: Any  # [B, num_simulations], the schedule of Sequential Halving


class Frontier(NamedTuple):
    """Where the simulation at hand left the trees."""

    leaves: Any  # [B] of LEAF: what to evaluate, the node to add or, at max_depth, to evaluate once more, first fault
    scores: Any  # [B, A], working space


class Evaluation(NamedTuple):
    """What the model said of the frontier."""

    reward: Any  # [B]
    discount: Any  # [B]
    prior_logits: Any  # [B, A]
    value: Any  # [B]


# Inlined and without reference counts, of which these functions need none: they allocate nothing. Both together make
# the search more than twice as fast.
scalar: Any = njit(error_model="numpy", nogil=True, inline="always", _nrt=False)  # type: ignore[call-overload]


# What Python calls.
loop_over_roots: Any = compiled(error_model="numpy", nogil=True, _nrt=False)
one_thread_per_root: Any = compiled(jit=cuda.jit)


@scalar
def larger(a, b):
    """Python's ``max`` of two numbers, which Numba 0.68 does not compile for CUDA."""
    return b if b > a else a


@scalar
def smaller(a, b):
    """Python's ``min`` of two numbers."""
    return b if b < a else a


# --- Q-transforms: of a node's actions, from its record and its children's, to ``scores [A]`` -------------------


@scalar
def by_parent_and_siblings(node, children, qtransform, scores):
    """MuZero, appendix B, equation 5, over the node and its visited children instead of the whole tree."""
    low = high = float(node.value)
    for action in range(len(children)):
        if children[action].visits > 0:
            low = smaller(low, float(children[action].q_value))
            high = larger(high, float(children[action].q_value))
    width = larger(high - low, qtransform.epsilon)
    for action in range(len(children)):
        child = children[action]
        scores[action] = (child.q_value - low) / width if child.visits > 0 else 0.0


@scalar
def by_min_max(children, qtransform, scores):
    """Scale by the extremes that the caller knows."""
    width = qtransform.max_value - qtransform.min_value
    for action in range(len(children)):
        child = children[action]
        scores[action] = (child.q_value - qtransform.min_value) / width if child.visits > 0 else 0.0


@scalar
def mixed_value(node, children):
    """Gumbel MuZero, appendix D: (v + ΣN Σ π(a) q(a) / Σ π(a)) / (1 + ΣN), the sums over visited actions."""
    sum_visits, sum_probs, sum_q = 0, 0.0, 0.0
    for action in range(len(children)):
        child = children[action]
        prob = larger(float(child.prior_prob), SMALLEST_PROB) if child.visits > 0 else 0.0
        sum_visits += child.visits
        sum_probs += prob
        sum_q += prob * child.q_value
    value = float(node.raw_value)
    return (value + sum_visits * (sum_q / sum_probs)) / (1 + sum_visits) if sum_visits > 0 else value


@scalar
def completed_by_mix_value(node, children, qtransform, scores):
    """Gumbel MuZero, equation 10 (completed Q), then equation 8: σ(q) = (c_visit + max N) c_scale q."""
    value = mixed_value(node, children) if qtransform.use_mixed_value else float(node.raw_value)
    low, high, max_visits = math.inf, -math.inf, 0
    for action in range(len(children)):
        child = children[action]
        q_value = float(child.q_value) if child.visits > 0 else value
        scores[action] = q_value
        low, high, max_visits = smaller(low, q_value), larger(high, q_value), larger(max_visits, child.visits)
    scale = (qtransform.maxvisit_init + max_visits) * qtransform.value_scale
    if qtransform.rescale_values:
        scale /= larger(high - low, qtransform.epsilon)
    else:
        low = 0.0
    for action in range(len(children)):
        scores[action] = scale * (scores[action] - low)


@scalar
def transform_q_values(node, children, qtransform, scores):
    """Apply the Q-transform that the description names."""
    if qtransform.kind == BY_PARENT_AND_SIBLINGS:
        by_parent_and_siblings(node, children, qtransform, scores)
    elif qtransform.kind == BY_MIN_MAX:
        by_min_max(children, qtransform, scores)
    else:
        completed_by_mix_value(node, children, qtransform, scores)


# --- selection: the first of equals; ``is_invalid [A]`` counts at the root only ---------------------------------


@scalar
def select_by_puct(node, children, is_root, is_invalid, rules, scores):
    """MuZero, appendix B, equation 2: argmax Q + P sqrt(N(s)) / (1 + N(s, a)) (c1 + log((N(s) + c2 + 1) / c2)).

    N(s) counts the node's own evaluation too, so that the prior has a say in the first selection.
    """
    transform_q_values(node, children, rules.qtransform, scores)
    visits = float(node.visits)
    weight = math.sqrt(visits) * (rules.pb_c_init + math.log((visits + rules.pb_c_base + 1.0) / rules.pb_c_base))
    best_action, best_score = NO_ACTION, -math.inf
    for action in range(len(children)):
        child = children[action]
        score = scores[action] + weight * child.prior_prob / (1 + child.visits)
        is_valid = not (is_root and is_invalid[action])
        if is_valid and (best_action == NO_ACTION or score > best_score):
            best_action, best_score = action, score
    return best_action


@scalar
def select_considered(node, children, visits, is_invalid, gumbel, qtransform, scores):
    """Gumbel MuZero, algorithm 2: argmax g + logits + σ(completedQ) among the root's actions with so many visits."""
    transform_q_values(node, children, qtransform, scores)
    best_action, best_score = NO_ACTION, -math.inf
    for action in range(len(children)):
        child = children[action]
        score = larger(LOWEST_SCORE, float(gumbel[action]) + child.prior_logit + scores[action])
        is_considered = child.visits == visits and not is_invalid[action]
        if is_considered and (best_action == NO_ACTION or score > best_score):
            best_action, best_score = action, score
    return best_action


@scalar
def select_by_improved_policy(node, children, qtransform, scores):
    """Gumbel MuZero, equations 11 and 14: argmax π'(a) - N(a) / (1 + ΣN), π' = softmax(logits + σ(completedQ))."""
    transform_q_values(node, children, qtransform, scores)
    highest, total, sum_visits = -math.inf, 0.0, 0
    for action in range(len(children)):
        scores[action] += children[action].prior_logit
        highest = larger(highest, scores[action])
        sum_visits += children[action].visits
    for action in range(len(children)):
        scores[action] = math.exp(scores[action] - highest)
        total += scores[action]
    best_action, best_score = 0, -math.inf
    for action in range(len(children)):
        score = scores[action] / total - children[action].visits / (1 + sum_visits)
        if score > best_score:
            best_action, best_score = action, score
    return best_action


# --- a simulation ----------------------------------------------------------------------------------------------


@scalar
def descend(root, simulation, tree, rules, frontier):
    """Select actions from the root down to one without a node, or to ``max_depth``."""
    scores, is_invalid = frontier.scores[root], tree.invalid_actions[root]
    index, action, following, depth = NO_PARENT, NO_ACTION, ROOT, 0
    while following != UNVISITED and depth < rules.max_depth:
        index = following
        node, children = tree.nodes[root, index], tree.children[root, index]
        if not rules.uses_gumbel:
            action = select_by_puct(node, children, index == ROOT, is_invalid, rules, scores)
        elif index == ROOT:
            visits = rules.considered_visits[root, simulation]
            action = select_considered(node, children, visits, is_invalid, rules.gumbel[root], rules.qtransform, scores)
        else:
            action = select_by_improved_policy(node, children, rules.qtransform, scores)
        following = children[action].index
        depth += 1
    leaf = frontier.leaves[root]
    leaf.parent_row = index * len(frontier.leaves) + root
    leaf.action = action
    leaf.node = simulation + 1 if following == UNVISITED else following


@scalar
def expand(root, tree, frontier, evaluation):
    """Write what the model said to the leaf and to the action that leads there."""
    leaf = frontier.leaves[root]
    parent = leaf.parent_row // len(frontier.leaves)
    edge = tree.children[root, parent, leaf.action]
    edge.index = leaf.node
    edge.reward = evaluation.reward[root]
    edge.discount = evaluation.discount[root]
    node = tree.nodes[root, leaf.node]
    node.parent = parent
    node.action = leaf.action
    node.raw_value = evaluation.value[root]
    node.value = evaluation.value[root]
    node.visits += 1
    logits, scores = evaluation.prior_logits[root], frontier.scores[root]
    highest, total = -math.inf, 0.0
    for action in range(len(logits)):
        highest = larger(highest, float(logits[action]))
    for action in range(len(logits)):
        scores[action] = math.exp(logits[action] - highest)
        total += scores[action]
    if leaf.fault == 0:
        if not math.isfinite(edge.reward):
            leaf.fault = REWARD_FAULT
        elif not math.isfinite(edge.discount):
            leaf.fault = DISCOUNT_FAULT
        elif not math.isfinite(total):  # a logit of -inf is a probability of 0
            leaf.fault = PRIOR_FAULT
        elif not math.isfinite(node.value):
            leaf.fault = VALUE_FAULT
    children = tree.children[root, leaf.node]
    for action in range(len(logits)):
        children[action].prior_logit = logits[action]
        children[action].prior_prob = scores[action] / total


@scalar
def back_up(root, tree, frontier):
    """Carry the leaf's value to the root: MuZero, appendix B, equations 3 and 4."""
    index = frontier.leaves[root].node
    value = float(tree.nodes[root, index].raw_value)
    while index != ROOT:
        node = tree.nodes[root, index]
        parent = tree.nodes[root, node.parent]
        edge = tree.children[root, node.parent, node.action]
        value = edge.reward + edge.discount * value
        parent.value = (parent.value * float(parent.visits) + value) / (parent.visits + 1)
        parent.visits += 1
        edge.visits += 1
        edge.q_value = edge.reward + edge.discount * float(node.value)
        index = node.parent


@scalar
def advance(root, simulation, tree, rules, frontier, evaluation):
    """Add what the model said in the simulation before this one, if any; descend for this one, if it is one."""
    if simulation > 0:
        expand(root, tree, frontier, evaluation)
        back_up(root, tree, frontier)
    if simulation < rules.num_simulations:
        descend(root, simulation, tree, rules, frontier)


@scalar
def decide(root, tree, rules, frontier):
    """Choose among the root's most visited actions; leave σ(completedQ) of the root in ``scores``."""
    node, children = tree.nodes[root, ROOT], tree.children[root, ROOT]
    most_visits = 0
    for action in range(len(children)):
        most_visits = larger(most_visits, children[action].visits)
    is_invalid, gumbel, scores = tree.invalid_actions[root], rules.gumbel[root], frontier.scores[root]
    frontier.leaves[root].action = select_considered(
        node, children, most_visits, is_invalid, gumbel, rules.qtransform, scores
    )


# --- all roots -------------------------------------------------------------------------------------------------


@loop_over_roots
def advance_on_cpu(simulation, tree, rules, frontier, evaluation):
    for root in range(len(frontier.leaves)):
        advance(root, simulation, tree, rules, frontier, evaluation)


@loop_over_roots
def decide_on_cpu(tree, rules, frontier):
    for root in range(len(frontier.leaves)):
        decide(root, tree, rules, frontier)


@one_thread_per_root
def advance_on_cuda(simulation, tree, rules, frontier, evaluation):
    root: int = cuda.grid(1)  # type: ignore[call-arg]
    if root < len(frontier.leaves):
        advance(root, simulation, tree, rules, frontier, evaluation)


@one_thread_per_root
def decide_on_cuda(tree, rules, frontier):
    root: int = cuda.grid(1)  # type: ignore[call-arg]
    if root < len(frontier.leaves):
        decide(root, tree, rules, frontier)

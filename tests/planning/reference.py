"""A slow, obvious search of one root: nodes are objects, children are dictionaries, everything is computed anew."""

import math


class Node:
    def __init__(self, state, value, prior_logits):
        self.state, self.raw_value, self.logits = state, value, prior_logits
        self.returns = [value]  # of the node's own evaluation and of each simulation through it
        self.children = {}  # action -> Node
        self.rewards, self.discounts, self.visits = {}, {}, dict.fromkeys(range(len(prior_logits)), 0)

    @property
    def value(self):
        return sum(self.returns) / len(self.returns)

    @property
    def prior(self):
        return softmax(self.logits)

    def q(self, action):
        return self.rewards[action] + self.discounts[action] * self.children[action].value


def softmax(logits):
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def by_parent_and_siblings(node):
    known = [node.value, *(node.q(a) for a in node.children)]
    width = max(max(known) - min(known), 1e-8)
    return [(node.q(a) - min(known)) / width if a in node.children else 0.0 for a in node.visits]


def by_min_max(node, min_value, max_value):
    return [(node.q(a) - min_value) / (max_value - min_value) if a in node.children else 0.0 for a in node.visits]


def completed_by_mix_value(node, value_scale=0.1, maxvisit_init=50.0, rescale_values=True, use_mixed_value=True):
    value, total = node.raw_value, sum(node.visits.values())
    if use_mixed_value and total:
        prior_of_visited = sum(node.prior[a] for a in node.children)
        mean_q = sum(node.prior[a] * node.q(a) for a in node.children) / prior_of_visited
        value = (node.raw_value + total * mean_q) / (1 + total)
    completed = [node.q(a) if a in node.children else value for a in node.visits]
    if rescale_values:
        low, width = min(completed), max(max(completed) - min(completed), 1e-8)
        completed = [(q - low) / width for q in completed]
    return [(maxvisit_init + max(node.visits.values())) * value_scale * q for q in completed]


QTRANSFORMS = {
    "qtransform_by_parent_and_siblings": by_parent_and_siblings,
    "qtransform_by_min_max": by_min_max,
    "qtransform_completed_by_mix_value": completed_by_mix_value,
}


def best(scores):
    """Return the key of the highest score, the first of equals."""
    return max(scores, key=scores.get)


def puct(node, qtransform, valid, pb_c_init=1.25, pb_c_base=19652):
    total = 1 + sum(node.visits.values())
    c = pb_c_init + math.log((total + pb_c_base + 1) / pb_c_base)
    q = qtransform(node)
    return best({a: q[a] + c * node.prior[a] * math.sqrt(total) / (1 + node.visits[a]) for a in valid})


def improved(node, qtransform):
    total, q = sum(node.visits.values()), qtransform(node)
    policy = softmax([node.logits[a] + q[a] for a in node.visits])
    return best({a: policy[a] - node.visits[a] / (1 + total) for a in node.visits})


def halving_plan(num_actions, num_simulations):
    """Yield how many actions each round visits."""
    phases = max(1, math.ceil(math.log2(num_actions)))
    remaining = num_actions
    while True:
        for _ in range(max(1, num_simulations // (phases * remaining))):
            yield remaining
        remaining = max(min(2, num_actions), remaining // 2)


def simulate(root, choose_at_root, choose_below, model, max_depth):
    node, path = root, []
    while True:
        action = choose_at_root(node) if not path else choose_below(node)
        path.append((node, action))
        if action not in node.children or len(path) == max_depth:
            break
        node = node.children[action]
    reward, discount, state, value, logits = model(node.state, action)
    if action not in node.children:
        node.children[action] = Node(state, value, logits)
        node.rewards[action], node.discounts[action] = reward, discount
    for parent, taken in reversed(path):
        value = parent.rewards[taken] + parent.discounts[taken] * value
        parent.returns.append(value)
        parent.visits[taken] += 1


def search_puct(root, model, num_simulations, qtransform, valid, max_depth=None, **constants):
    """Return the visit counts of the root's actions."""

    def at_root(node):
        return puct(node, qtransform, valid, **constants)

    def below(node):
        return puct(node, qtransform, list(node.visits), **constants)

    for _ in range(num_simulations):
        simulate(root, at_root, below, model, max_depth)
    return list(root.visits.values())


def search_gumbel(root, model, num_simulations, qtransform, valid, gumbel, max_depth=None, max_considered=16):
    """Return the visit counts of the root's actions, the action and the improved policy.

    Sequential Halving with a list of the remaining actions. A round visits the best of them, one after the other; the
    scores move meanwhile, and with them who is next. Whom a round did not visit is out.
    """

    def score(action):
        return gumbel[action] + root.logits[action] + qtransform(root)[action]

    remaining = valid
    rounds = halving_plan(min(max_considered, len(valid)), num_simulations)
    budget = num_simulations
    while budget:
        visited = []
        for _ in range(min(next(rounds), budget)):
            action = best({a: score(a) for a in remaining if a not in visited})
            simulate(root, lambda node, a=action: a, lambda node: improved(node, qtransform), model, max_depth)
            visited.append(action)
            budget -= 1
        remaining = sorted(visited)
    most = max(root.visits[a] for a in valid)
    action = best({a: score(a) for a in valid if root.visits[a] == most})
    q = qtransform(root)
    weights = softmax([root.logits[a] + q[a] if a in valid else -math.inf for a in root.visits])
    return list(root.visits.values()), action, weights

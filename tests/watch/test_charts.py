"""What is drawn of a game, as numbers."""

import numpy as np
import pytest
import torch

from triptych.collect.recording import Recording
from triptych.types import Actions, EnvSpec, Episode, Explanation
from triptych.watch.charts import bars, curves, distribution, gaussian, option_names, options_taken, rounded

DISCRETE = EnvSpec("a", "none", (3,), "float32", num_actions=2, action_names=("left", "right"))
SEVERAL = EnvSpec("b", "none", (3,), "float32", None, (2,), action_sizes=(2, 3))
CONTINUOUS = EnvSpec("c", "none", (3,), "float32", None, (2,), (-1.0, -np.inf), (1.0, np.inf))

BOTH = EnvSpec("d", "none", (3,), "float32", None, (4,), (-1.0, 0.0), (1.0, 4.0), action_sizes=(2, 3))


def recording(*actions):
    played, length = Episode(0, 0, 1, actions=Actions(actions)), len(actions)
    return Recording(played, np.zeros((length, 3)), np.zeros(length), True)


def test_actions_have_their_names():
    assert option_names(DISCRETE) == ["left", "right"]
    assert option_names(EnvSpec("a", "none", (3,), "float32", num_actions=2)) == ["action 0", "action 1"]
    assert option_names(SEVERAL) == option_names(BOTH) == ["0: 0", "0: 1", "1: 0", "1: 1", "1: 2"]
    assert option_names(CONTINUOUS) == []


def test_the_actions_taken_are_marked_among_all_options():
    assert options_taken(DISCRETE, recording(1, 0)) == [[1], [0]]
    assert options_taken(SEVERAL, recording(np.array([1, 2]), np.array([0, 0]))) == [[1, 4], [0, 2]]
    assert options_taken(CONTINUOUS, recording(np.array([0.5, -2.0], np.float32))) == [[]]
    assert options_taken(BOTH, recording(np.array([1, 2, 0.5, -2.0], np.float32))) == [[1, 4]]


def test_visits_are_shares():
    said = Explanation(visit_counts=torch.tensor([[3, 1], [0, 0]]), prior_probs=torch.tensor([[0.5, 0.5], [0.2, 0.8]]))
    visits, prior = bars(said)
    assert visits["numbers"] == [[0.75, 0.25], [0.0, 0.0]]
    assert prior["numbers"] == [[0.5, 0.5], [0.2, 0.8]]


def test_the_value_is_the_largest_q_value_where_nothing_else_is_said():
    said = Explanation(q_values=torch.tensor([[1.0, 3.0], [5.0, 2.0]]))
    (curve,) = curves(said)
    assert curve == {"name": "V(s)", "numbers": [3.0, 5.0]}
    assert curves(Explanation()) == []
    assert [one["name"] for one in curves(Explanation(torch.zeros(1), search_value=torch.zeros(1)))][1] == (
        "V(s) of the search"
    )


def test_policies_of_continuous_actions_are_drawn_between_their_bounds_or_what_was_seen():
    said = Explanation(action_mean=torch.tensor([[0.0, 3.0], [0.5, 5.0]]), action_std=torch.full((2, 2), 0.5))
    played = recording(*np.array([[0.5, -2.0], [1.0, 0.0]], np.float32))
    found = gaussian(said, CONTINUOUS, played)
    assert (found["names"], found["taken"]) == (["action 0", "action 1"], [[0.5, -2.0], [1.0, 0.0]])
    assert found["low"] == [-1.0, 2.5]
    assert found["high"] == [1.0, 5.5]
    assert gaussian(Explanation(), CONTINUOUS, played) is None


def test_a_single_number_and_one_with_one_bound_are_drawn_around_the_policy():
    said = Explanation(action_mean=torch.tensor([-3.0, -2.0]), action_std=torch.tensor([0.5, 0.5]))
    number = EnvSpec("e", "none", (3,), "float32", None, (), (0.0,), (np.inf,))
    found = gaussian(said, number, recording(np.float32(0.5), np.float32(1.0)))
    assert (found["names"], found["taken"], found["mean"]) == (["action 0"], [[0.5], [1.0]], [[-3.0], [-2.0]])
    assert (found["low"], found["high"]) == ([-3.5], [-1.5])


def test_numbers_beside_choices_are_drawn_by_themselves():
    said = Explanation(action_probs=torch.rand(1, 5), action_mean=torch.zeros(1, 2), action_std=torch.ones(1, 2))
    found = gaussian(said, BOTH, recording(np.array([1, 2, 0.5, -2.0], np.float32)))
    assert (found["names"], found["taken"]) == (["number 0", "number 1"], [[0.5, -2.0]])
    assert (found["low"], found["high"]) == ([-1.0, 0.0], [1.0, 4.0])
    assert [bar["name"] for bar in bars(said)] == ["probability"]


def test_atoms_that_move_are_counted_in_bins():
    atoms = torch.tensor([[[0.0, 10.0], [5.0, 5.0]]])
    points, probs = distribution(Explanation(atoms=atoms, atom_probs=torch.full((1, 2, 2), 0.5)))
    assert points[0] == 0
    assert points[-1] == 10
    assert probs.sum(axis=-1) == pytest.approx(np.ones((1, 2)))
    assert (probs[0, 0, 0], probs[0, 0, -1], probs[0, 1, 25]) == (0.5, 0.5, 1.0)


def test_numbers_that_are_not_finite_become_none():
    assert rounded(np.array([[1.23456, np.nan], [np.inf, 123456.0]])) == [[1.235, None], [None, 123500.0]]

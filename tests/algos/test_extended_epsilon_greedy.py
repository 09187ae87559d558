"""Random actions that last, beside what must come of them."""

import math

import torch

from triptych.algos.extended_epsilon_greedy import ExtendedEpsilonGreedy

NUM_ENVS = 500
VALUES = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(NUM_ENVS, 4)  # the last action is greedy


def begun(exponent=2.0):
    extended = ExtendedEpsilonGreedy(exponent)
    extended.begin_episodes(torch.ones(NUM_ENVS, dtype=torch.bool))
    return extended


def play(extended, num_steps, epsilon, generator, legal=None):
    return torch.stack([extended.choose(VALUES, epsilon, generator, legal) for _ in range(num_steps)])  # [T, N]


def share_that_repeats(actions):
    return float((actions[1:] == actions[:-1]).float().mean())


def test_actions_last_as_long_as_was_drawn():
    """At ε = 1 one stretch follows another: a step in E[n] begins one, and a quarter of these go on by chance."""
    generator = torch.Generator().manual_seed(0)
    actions = play(begun(3.0), 400, 1.0, generator)
    mean_duration = (math.pi**2 / 6) / 1.2020569  # ζ(2) / ζ(3)
    assert abs(share_that_repeats(actions) - (1 - 0.75 / mean_duration)) < 0.01
    assert abs(share_that_repeats(play(begun(math.inf), 400, 1.0, generator)) - 0.25) < 0.01


def test_without_chance_it_is_greedy():
    assert (play(begun(), 20, 0.0, torch.Generator().manual_seed(0)) == 3).all()


def test_an_endless_exponent_is_epsilon_greedy():
    actions = play(begun(math.inf), 200, 0.4, torch.Generator().manual_seed(0))
    assert abs(float((actions != 3).float().mean()) - 0.3) < 0.01


def test_a_stretch_ends_with_its_episode():
    extended, generator = begun(1.0), torch.Generator().manual_seed(0)
    play(extended, 5, 1.0, generator)
    is_first = torch.arange(NUM_ENVS) % 2 == 0
    extended.begin_episodes(is_first)
    actions = extended.choose(VALUES, 0.0, generator, None)
    assert (actions[is_first] == 3).all()
    assert (actions[~is_first] != 3).any()


def test_a_stretch_ends_where_its_action_is_not_allowed():
    extended, generator = begun(1.0), torch.Generator().manual_seed(0)
    play(extended, 5, 1.0, generator)
    legal = torch.tensor([False, False, False, True]).expand(NUM_ENVS, 4)
    assert (extended.choose(VALUES, 1.0, generator, legal) == 3).all()
    open_again = extended.choose(VALUES, 0.0, generator, torch.ones(NUM_ENVS, 4, dtype=torch.bool))
    assert (open_again == 3).all()


def test_it_goes_on_as_it_was_saved():
    extended, generator = begun(), torch.Generator().manual_seed(0)
    play(extended, 5, 0.5, generator)
    again = ExtendedEpsilonGreedy(2.0)
    again.load_state_dict(extended.state_dict())
    expected = play(extended, 30, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(play(again, 30, 0.3, torch.Generator().manual_seed(1)), expected)

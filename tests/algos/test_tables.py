"""Q-learning and Dyna by tables, against the books' own words in slow form."""

import numpy as np
import pytest
import torch

from triptych.algos.dyna import Dyna
from triptych.algos.q_learning import QLearning
from triptych.envs.gymnasium import Gymnasium
from triptych.types import EVALUATE, EXPLORE, ConfigurationError, EmptyTurn, EnvSpec, Rollout

SETTINGS = {"discount": 0.9, "step_size": 0.5, "step_size_exponent": 0.5, "epsilon": 0.1, "eval_epsilon": 0.0}
SPEC = EnvSpec("numbered", "none", (3,), "float32", 2, num_states=3)


def q_learning(**changed):
    return QLearning(SPEC, seed=1, **SETTINGS | changed)


def dyna(**changed):
    return Dyna(SPEC, seed=1, **SETTINGS | {"planning_steps": 3} | changed)


def one_hot(states):
    return torch.eye(3)[torch.tensor(states)]


def rollout(steps, rows=None):
    """Make one vector step of as many environments as there are (state, action, reward, discount, next_state)."""
    state, action, reward, discount, next_state = zip(*steps, strict=True)
    num = len(steps)
    return Rollout(
        observation=one_hot([state]),
        action=torch.tensor([action]),
        reward=torch.tensor([reward]),
        discount=torch.tensor([discount]),
        is_last=torch.zeros(1, num, dtype=torch.bool),
        next_observation=one_hot([next_state]),
        extras={},
        rows=torch.arange(num)[:, None] if rows is None else torch.tensor(rows)[:, None],
        env_steps=num,
    )


def random_steps(number, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (*rng.integers([3, 2]).tolist(), float(rng.normal()), float(rng.choice([0.0, 0.9])), int(rng.integers(3)))
        for _ in range(number)
    ]


def test_each_step_moves_one_value_towards_its_target():
    """Sutton & Barto 2018, equation 6.8, with dicts."""
    module, q_values, visits = q_learning(), {}, {}
    for turn in range(20):
        steps = random_steps(4, seed=turn)
        order = np.random.default_rng(turn).permutation(4).tolist()
        module.training_step(rollout(steps, order), turn)
        for state, action, reward, discount, next_state in (steps[row] for row in order):
            visits[state, action] = visits.get((state, action), 0) + 1
            best = max(q_values.get((next_state, other), 0.0) for other in range(2))
            error = reward + discount * best - q_values.get((state, action), 0.0)
            step_size = 0.5 / visits[state, action] ** 0.5
            q_values[state, action] = q_values.get((state, action), 0.0) + step_size * error
    for (state, action), value in q_values.items():
        assert module.q_values[state, action].item() == pytest.approx(value, abs=1e-5)
        assert module.num_updates[state, action] == visits[state, action]
    assert (module.updates, module.env_steps) == (80, 4)


def test_a_constant_step_size_stays():
    module = q_learning(step_size_exponent=0.0, step_size=0.25)
    for _ in range(3):
        module.training_step(rollout([(0, 0, 1.0, 0.0, 1)]), 0)
    assert module.q_values[0, 0].item() == pytest.approx(1 - 0.75**3)


def test_an_empty_turn_teaches_nothing():
    module = q_learning()
    module.training_step(EmptyTurn(7), 0)
    assert (module.updates, module.num_updates.sum()) == (0, 0)


def test_evaluation_is_greedy_and_breaks_ties_by_chance():
    module = q_learning(epsilon=1.0)
    module.q_values[1] = torch.tensor([0.0, 0.5])
    assert (module.act(one_hot([1] * 50), EVALUATE).action == 1).all()
    assert set(module.act(one_hot([1] * 50), EXPLORE).action.tolist()) == {0, 1}
    assert set(module.act(one_hot([0] * 50), EVALUATE).action.tolist()) == {0, 1}


def test_without_planning_dyna_is_q_learning():
    first, second = q_learning(), dyna(planning_steps=0)
    for turn in range(10):
        batch = rollout(random_steps(3, seed=turn))
        first.training_step(batch, turn)
        second.training_step(batch, turn)
    assert torch.equal(first.q_values, second.q_values)


def test_dyna_imagines_what_followed_last_and_nothing_else():
    module = dyna(planning_steps=200)
    module.training_step(rollout([(0, 1, 1.0, 0.9, 1), (0, 1, 2.0, 0.9, 2), (2, 0, -1.0, 0.0, 0)]), 0)
    tables = {name: buffer.numpy() for name, buffer in module.named_buffers()}
    imagined = module._imagine(tables)
    found = {(state, action, float(reward), round(float(discount), 6), then)
             for state, action, reward, discount, then in imagined}  # fmt: skip
    assert found == {(0, 1, 2.0, 0.9, 2), (2, 0, -1.0, 0.0, 0)}
    share = sum(step.state == 0 for step in imagined) / len(imagined)
    assert abs(share - 0.5) < 0.2  # states are drawn evenly


def test_dyna_learns_from_imagined_steps_as_from_real_ones():
    module, again = dyna(planning_steps=5), dyna(planning_steps=5)
    module.training_step(rollout([(0, 1, 1.0, 0.9, 1)]), 0)
    for _ in range(6):  # there is one step to imagine
        again.planning_steps = 0
        again.training_step(rollout([(0, 1, 1.0, 0.9, 1)]), 0)
    assert module.q_values[0, 1].item() == pytest.approx(again.q_values[0, 1].item())
    assert module.num_updates[0, 1] == 6


def test_the_error_is_measured_by_the_environments_model():
    spec = Gymnasium("Maze-v0", 1).spec
    module = QLearning(spec, seed=1, **SETTINGS)
    optimal = torch.from_numpy(module.optimal_q_values).float()
    assert optimal[18].max().item() == pytest.approx(0.9**13)  # of 14 steps from the start
    assert module.take_metrics()["train/max_abs_error"] == pytest.approx(1.0)
    module.q_values.copy_(optimal)
    module.q_values[8], module.q_values[11] = 5.0, 5.0  # the goal and a wall, where nobody acts
    assert module.max_abs_error() == pytest.approx(0.0, abs=1e-6)
    assert "train/max_abs_error" not in q_learning().take_metrics()


@pytest.mark.parametrize(
    ("id", "what"), [("CartPole-v1", "vectors of shape [4]"), ("Catch-v0", "pictures of shape [1, 10, 10]")]
)
@pytest.mark.parametrize("algorithm", [QLearning, Dyna])
def test_what_numbers_no_states_is_refused_with_the_way_out(algorithm, id, what):
    with pytest.raises(ConfigurationError) as error:
        algorithm.check(Gymnasium(id, 1).spec)
    assert what in str(error.value)
    assert "env=frozen_lake, cliff_walking, taxi or maze, or algo=dqn" in str(error.value)


def test_continuous_actions_are_refused_as_by_others():
    with pytest.raises(ConfigurationError, match="chooses among discrete actions"):
        QLearning.check(Gymnasium("Pendulum-v1", 1).spec)

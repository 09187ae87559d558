"""What two players remember of a game with secrets, beside lists of what was played."""

import numpy as np
import pytest
import torch

from tests.fakes import is_equal
from triptych.collect.collector import Collector
from triptych.envs.openspiel import OpenSpiel
from triptych.replay.fictitious import FictitiousBuffer
from triptych.replay.reservoir import Reservoir

ENVS = 3


def reservoir(capacity=50, seed=0):
    return Reservoir(capacity, {"number": ((), np.int64), "row": ((2,), np.float32)}, seed)


def add(reservoir, numbers):
    numbers = np.array(numbers)
    reservoir.add(number=numbers, row=np.stack([numbers, -numbers], axis=1))


def test_a_reservoir_that_is_not_full_keeps_everything():
    kept = reservoir()
    add(kept, range(30))
    assert len(kept) == 30
    drawn = kept.sample(2000)
    assert set(drawn["number"].tolist()) == set(range(30))
    assert torch.equal(drawn["row"], torch.stack([drawn["number"], -drawn["number"]], dim=1).float())


def test_what_came_early_and_what_came_late_is_kept_alike():
    """Of 400 rows in pieces of any size, each is among the 50 that stay with probability 1/8."""
    counts = np.zeros(400)
    for seed in range(400):
        kept = reservoir(seed=seed)
        for piece in np.split(np.arange(400), [3, 20, 71, 73, 200]):
            add(kept, piece)
        add(kept, [])
        assert len(kept) == 50
        assert len(set(kept.arrays["number"].tolist())) == 50
        counts[kept.arrays["number"]] += 1
    shares = counts.reshape(8, 50).mean(axis=1) / 400  # of each eighth; one standard deviation is 0.0022
    np.testing.assert_allclose(shares, 1 / 8, atol=0.01)


def test_a_reservoir_goes_on_as_if_it_had_never_been_saved():
    one, other = reservoir(), reservoir(seed=9)
    add(one, range(70))
    other.load_state_dict(one.state_dict())
    for both in (one, other):
        add(both, range(70, 300))
    assert is_equal(one.state_dict(), other.state_dict())
    assert torch.equal(one.sample(20)["number"], other.sample(20)["number"])


class Player:
    """Plays by chance, and calls some of its actions best responses."""

    def __init__(self, spec):
        self.spec, self.rng = spec, np.random.default_rng(1)

    def __call__(self, observation):
        legal = self.spec.legal_actions(observation)
        action = np.array([self.rng.choice(np.flatnonzero(row)) for row in legal])
        return action, {"is_best_response": self.rng.random(len(legal)) < 0.3}


def played(env_id, vector_steps=200, rows=400):
    pytest.importorskip("pyspiel")
    game = OpenSpiel(env_id, ENVS)
    replay = FictitiousBuffer(
        game.spec, ENVS, capacity_env_steps=rows * ENVS, reservoir_capacity=1000, n_step=1, discount=1.0, seed=0
    )
    collector, steps = Collector(game, Player(game.spec), seed=0), []
    for _ in range(vector_steps):
        steps.append(collector.receive()[0])
        replay.add(steps[-1])
        collector.send()
    return game.spec, replay, steps


@pytest.mark.parametrize("env_id", ["kuhn_poker", "leduc_poker"])
def test_each_player_learns_from_what_that_player_saw(env_id):
    spec, replay, steps = played(env_id)
    sample = replay.sample(3000, 0).sample
    seat = spec.parts.seat
    goes_on = sample.discount > 0
    assert torch.equal(seat(sample.observation)[goes_on], seat(sample.next_observation)[goes_on])
    # In lists, of each player the last turn of the running game.
    expected = {}
    for env_index in range(ENVS):
        last = {}
        for step in steps:
            seen, mover = step.observation[env_index].tobytes(), int(seat(step.observation[env_index]))
            if mover in last:
                expected.setdefault((*last[mover], seen), set()).add(0.0)
            last[mover] = seen, int(step.action[env_index])
            if step.is_terminal[env_index]:
                for player, turn in last.items():
                    won = float(step.reward[env_index]) * (1 if player == mover else -1)
                    expected.setdefault((*turn, None), set()).add(won)
                last = {}
        seen = steps[-1].next_observation[env_index]
        if int(seat(seen)) in last:
            expected.setdefault((*last[int(seat(seen))], seen.tobytes()), set()).add(0.0)
    drawn = {}
    for observation, action, reward, discount, after, *_ in zip(*sample, strict=True):
        key = observation.numpy().tobytes(), int(action), after.numpy().tobytes() if discount else None
        drawn.setdefault(key, set()).add(float(reward))
    assert all(drawn[key] <= expected[key] for key in drawn)
    assert len(drawn) >= 0.95 * len(expected)


def test_only_best_responses_are_imitated():
    _, replay, steps = played("leduc_poker")
    chosen = [(step, step.extras["is_best_response"]) for step in steps]
    played_rows = np.concatenate([step.observation[rows] for step, rows in chosen])
    actions = np.concatenate([step.action[rows] for step, rows in chosen])
    assert len(replay.reservoir) == len(actions) > 0
    np.testing.assert_array_equal(replay.reservoir.arrays["observation"][: len(actions)], played_rows)
    np.testing.assert_array_equal(replay.reservoir.arrays["action"][: len(actions)], actions)
    sample = replay.sample(500, 0).sample
    pairs = {(row.tobytes(), int(action)) for row, action in zip(played_rows, actions, strict=True)}
    responses = zip(sample.response_observation, sample.response_action, strict=True)
    assert {(row.numpy().tobytes(), int(action)) for row, action in responses} <= pairs


def test_nothing_is_drawn_before_there_is_a_response_to_imitate():
    _, replay, _ = played("kuhn_poker", vector_steps=0)
    for step in played("kuhn_poker", vector_steps=30)[2]:
        replay.add(step._replace(extras=step.extras | {"is_best_response": np.zeros(ENVS, bool)}))
    assert len(replay) == 0
    assert replay.sampler.num_enabled > 0


def test_the_bytes_of_the_reservoir_are_counted():
    spec, replay, _ = played("kuhn_poker", vector_steps=0)
    nbytes = sum(array.nbytes for array in replay.reservoir.arrays.values())
    assert FictitiousBuffer.more_nbytes(spec, reservoir_capacity=1000) == nbytes


def test_a_replay_of_two_players_is_saved_and_goes_on(tmp_path):
    _, one, steps = played("leduc_poker")
    _, other, _ = played("leduc_poker", vector_steps=0)
    one.save(tmp_path, "a")
    other.load(tmp_path, "a")
    for step in steps[:40]:
        for both in (one, other):
            both.add(step)
    assert is_equal(tuple(one.sample(100, 0).sample), tuple(other.sample(100, 0).sample))

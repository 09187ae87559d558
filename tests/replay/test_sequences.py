"""Sequences from replay are what the environments showed, with the states of whoever played."""

import itertools

import numpy as np
import pytest
import torch

from tests.fakes import RandomAct, ScriptedGame, is_equal, label, random_script, reference_window
from triptych.collect.collector import Collector
from triptych.replay.sequences import SequenceBuffer
from triptych.types import ConfigurationError, Step

GAMMA, P, U, N = 0.9, 4, 6, 3


def state_of(now):
    return np.array([now.env_index, now.episode_index, now.time], np.float32)


class StatefulAct(RandomAct):
    """Whose hidden state says where the observation comes from."""

    def __call__(self, observation):
        action, _ = super().__call__(observation)
        return action, {"hidden_state": np.stack([state_of(label(one)) for one in observation])}


def make_buffer(game, capacity=90, **settings):
    arguments = {"burn_in_steps": P, "sequence_steps": U, "n_step": N, "discount": GAMMA, "state_size": 3, "seed": 0}
    return SequenceBuffer(game.spec, game.num_envs, capacity_env_steps=capacity, **arguments | settings)


def fill(num_vector_steps, frame_stack=1, **settings):
    """Play into a buffer; return it and the steps of each environment."""
    game = ScriptedGame(random_script, 2, frame_stack=frame_stack)
    collector = Collector(game, StatefulAct(), seed=0, life_loss_is_terminal=True)
    buffer, steps = make_buffer(game, **settings), [[], []]
    for _ in range(num_vector_steps):
        step, _ = collector.receive()
        buffer.add(Step(*(field if isinstance(field, dict) else field.copy() for field in step)))
        for env in range(2):
            fields = (step.action, step.reward, step.is_terminal, step.is_last)
            steps[env].append((label(step.observation[env]), *(field[env].item() for field in fields)))
    return buffer, steps


def check_known(sample, sequence, steps):
    """Compare what is learned of one sequence with what happened; return how many steps of it are known."""
    labels = [label(one) for one in sample.observation[sequence]]
    known = np.flatnonzero(sample.is_known[sequence])
    assert known[0] == 0
    for learned in known.tolist():
        happened = steps[labels[0].env_index]
        (start,) = (time for time, one in enumerate(happened) if one[0] == labels[P + learned])
        _, actions, rewards, is_terminal, is_last = zip(*happened, strict=True)
        window = reference_window(rewards, is_terminal, is_last, start, N, GAMMA)
        assert int(sample.action[sequence, learned]) == actions[start]
        assert int(sample.num_steps[sequence, learned]) == window.num_steps
        assert float(sample.reward[sequence, learned]) == pytest.approx(window.reward, abs=1e-5)
        assert float(sample.discount[sequence, learned]) == pytest.approx(window.discount, abs=1e-6)
        after = labels[P + learned + window.num_steps]
        assert after == labels[P + learned]._replace(time=labels[P + learned].time + window.num_steps)
    return len(known)


@pytest.mark.parametrize("frame_stack", [1, 3])
@pytest.mark.parametrize("num_vector_steps", [15, 300])
@pytest.mark.parametrize("prioritized", [False, True])
def test_sequences_are_what_happened(frame_stack, num_vector_steps, prioritized):
    buffer, steps = fill(num_vector_steps, frame_stack, prioritized=prioritized)
    sample = buffer.sample(200, 0).sample
    assert sample.observation.shape[:2] == (200, P + U + N)
    counts = [check_known(sample, sequence, steps) for sequence in range(200)]
    assert max(counts) == U
    assert min(counts) < U  # windows that are open, and rows that are no steps


@pytest.mark.parametrize("num_vector_steps", [15, 300])
def test_rows_are_in_order_and_a_first_one_is_marked(num_vector_steps):
    buffer, _ = fill(num_vector_steps)
    sample = buffer.sample(200, 0).sample
    for observation, is_first, state in zip(sample.observation, sample.is_first, sample.hidden_state, strict=True):
        labels = [label(one) for one in observation]
        assert [bool(first) for first in is_first] == [one.time == 0 for one in labels]
        for one, other in itertools.pairwise(labels):
            later = one._replace(time=one.time + 1)
            next_episode = one._replace(episode_index=one.episode_index + 1, time=0)
            assert other in (later, next_episode, one)  # itself before the first row, and after the newest
        begins = labels[: labels.index(labels[P]) + 1]  # to the first row that is learned
        if not any(one.time == 0 for one in begins[1:]):  # which no new episode keeps from the state at the beginning
            assert state.tolist() == state_of(labels[0]).tolist()


def test_what_is_saved_is_drawn_again(tmp_path):
    buffer, _ = fill(120)
    buffer.save(tmp_path, "1")
    again = make_buffer(ScriptedGame(random_script, 2))
    again.load(tmp_path, "1")
    assert is_equal(tuple(buffer.sample(50, 0).sample), tuple(again.sample(50, 0).sample))


def test_a_replay_that_cannot_hold_the_burn_in_is_refused():
    with pytest.raises(ConfigurationError, match=r"capacity_env_steps=16 leaves 8 steps .* which need 9"):
        make_buffer(ScriptedGame(random_script, 2), capacity=16)
    assert SequenceBuffer.reach(burn_in_steps=P, n_step=N, sequence_steps=U) == P + N


def test_the_bytes_of_the_states_count():
    buffer, _ = fill(10)
    row_nbytes = SequenceBuffer.row_nbytes(state_size=3)
    assert buffer.arrays["hidden_state"].nbytes == len(buffer.arrays["reward"]) * row_nbytes


def test_unwritten_rows_are_never_shown():
    buffer, _ = fill(3)
    buffer.store._frames[buffer.store.cursor[0] : buffer.rows_per_env] = 255
    sample = buffer.sample(100, 0).sample
    env_zero = sample.observation[sample.observation[:, P, 0, 0, 0] == 0]
    assert len(env_zero)
    assert not (env_zero == 255).any()
    assert torch.isfinite(sample.reward).all()

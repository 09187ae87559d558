import numpy as np
import pytest
import torch

from tests.fakes import RandomAct, Script, ScriptedGame, label, random_script, scripts_in_order
from triptych.collect.collector import Collector
from triptych.functional.returns import n_step_returns
from triptych.replay.segments import SegmentBuffer
from triptych.types import ConfigurationError, Step

GAMMA, U, N = 0.9, 3, 2
L = U + N


def value_of(now):
    """Give every observation a value of its own."""
    return 1.0 + now.env_index + 0.1 * now.episode_index + 0.01 * now.time


def weights_of(now):
    return np.roll([0.7, 0.2, 0.1], now.time).astype(np.float32)


class SearchingAct(RandomAct):
    def __call__(self, observation):
        action, _ = super().__call__(observation)
        labels = [label(one) for one in observation]
        value = np.array([value_of(now) for now in labels], dtype=np.float32)
        return action, {"value": value, "action_weights": np.stack([weights_of(now) for now in labels])}


def fill(script_of, num_vector_steps, num_envs=2, frame_stack=2, capacity=400, **settings):
    """Play into a buffer; return it and what happened at each (environment, episode, time)."""
    game = ScriptedGame(script_of, num_envs, frame_stack=frame_stack)
    collector = Collector(game, SearchingAct(), seed=0)
    arguments = {"unroll_steps": U, "n_step": N, "discount": GAMMA, "seed": 0} | settings
    buffer = SegmentBuffer(game.spec, num_envs, capacity_env_steps=capacity, **arguments)
    happened = {}
    for _ in range(num_vector_steps):
        step, _ = collector.receive()
        buffer.add(Step(*(field if isinstance(field, dict) else field.copy() for field in step)))
        for env in range(num_envs):
            now = label(step.observation[env])
            happened[now] = (
                int(step.action[env]),
                float(step.reward[env]),
                bool(step.is_terminal[env]),
                bool(step.is_last[env]),
            )
    return buffer, happened


def draw(buffer, count=300):
    """Map where each drawn segment starts to the segment."""
    segment = buffer.sample(count, 0).sample
    return {label(segment.observation[i, 0]): type(segment)(*(field[i] for field in segment)) for i in range(count)}


@pytest.mark.parametrize("frame_stack", [1, 3])
def test_segments_are_what_happened(frame_stack):
    buffer, happened = fill(random_script, 120, frame_stack=frame_stack, num_observations=U + 1)
    segments = draw(buffer)
    assert len(segments) > 100
    num_ended = 0
    for start, segment in segments.items():
        end = None
        for offset in range(L):
            now = start._replace(time=start.time + offset)
            if end is None:
                action, reward, is_terminal, is_last = happened[now]
                assert float(segment.reward[offset]) == pytest.approx(reward)
                assert float(segment.discount[offset]) == pytest.approx(0.0 if is_terminal else GAMMA)
                assert float(segment.value[offset]) == pytest.approx(value_of(now))
                if offset < U:
                    assert int(segment.action[offset]) == action
                if offset <= U:
                    assert segment.is_step[offset]
                    assert segment.is_known[offset]
                    assert segment.action_weights[offset].tolist() == weights_of(now).tolist()
                    assert label(segment.observation[offset]) == now
                if is_last:
                    end, end_value = offset, 0.0 if is_terminal else value_of(now)
                    num_ended += 1
            else:
                assert float(segment.reward[offset]) == 0
                assert float(segment.discount[offset]) == 1
                assert float(segment.value[offset]) == pytest.approx(end_value)
                if offset <= U:
                    assert not segment.is_step[offset]
                    assert bool(segment.is_known[offset]) == (end_value == 0.0)
                    assert label(segment.observation[offset]) == start._replace(time=start.time + end + 1)
        last_value = value_of(start._replace(time=start.time + L)) if end is None else end_value
        assert float(segment.value[L]) == pytest.approx(last_value)
    assert 10 < num_ended < len(segments)


def test_the_targets_of_a_short_episode_by_hand():
    scripts = [Script([1.0, 2.0, 4.0], "terminated"), Script([1.0, 2.0, 4.0], "truncated")]
    segments = draw(fill(scripts_in_order(scripts), 30, num_envs=1)[0])
    targets = {}
    for start, segment in segments.items():
        found = n_step_returns(segment.reward[None], segment.discount[None], segment.value[None], N)[0]
        targets[start.episode_index % 2, start.time, start.episode_index] = [round(float(x), 4) for x in found]
    terminated = [targets[key] for key in targets if key[:2] == (0, 0)]
    assert all(target[1:] == [2 + 0.9 * 4, 4, 0] for target in terminated)
    for (kind, time, episode), target in targets.items():
        if kind == 1 and time == 0:
            last = value_of(label_at(episode, 2))
            assert target == pytest.approx(
                [1 + 0.9 * 2 + 0.81 * last, 2 + 0.9 * 4 + 0.81 * last, 4 + 0.9 * last, last], abs=1e-3
            )


def label_at(episode, time):
    from tests.fakes import Label

    return Label(0, episode, time)


def test_a_step_can_be_drawn_once_its_segment_is_known():
    endless = scripts_in_order([Script([0.0] * 150)])
    for num_steps in range(1, 12):
        buffer, _ = fill(endless, num_steps, num_envs=1)
        assert len(buffer) == max(0, num_steps - L)
    ended, _ = fill(scripts_in_order([Script([0.0] * 3)]), 3, num_envs=1)
    assert len(ended) == 3


def test_a_lost_life_ends_a_segment_and_not_the_stack():
    scripts = scripts_in_order([Script([1.0] * 8, "terminated", lives=[2, 2, 1, 1, 1, 1, 1, 0], first_lives=2)])
    game = ScriptedGame(scripts, 1, frame_stack=2)
    collector = Collector(game, SearchingAct(), seed=0, life_loss_is_terminal=True)
    buffer = SegmentBuffer(game.spec, 1, capacity_env_steps=60, unroll_steps=U, n_step=N, discount=GAMMA, seed=0)
    for _ in range(8):
        buffer.add(collector.receive()[0])
    segments = draw(buffer)
    assert sorted(start.time for start in segments) == list(range(8))
    before, after = segments[label_at(0, 1)], segments[label_at(0, 3)]
    assert before.is_step.tolist() == [True, True, False, False, False, False]
    assert before.reward.tolist() == [1, 1, 0, 0, 0]
    assert before.value[2:].tolist() == [0, 0, 0, 0]
    assert after.is_step.tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize("capacity", [60, 90])
def test_old_segments_leave_when_their_frames_are_overwritten(capacity):
    buffer, happened = fill(random_script, 300, capacity=capacity)
    segments = draw(buffer)
    newest = {env: max(now for now in happened if now.env_index == env) for env in range(2)}
    order = {env: sorted(now for now in happened if now.env_index == env) for env in range(2)}
    for start in segments:
        age = order[start.env_index].index(newest[start.env_index]) - order[start.env_index].index(start)
        assert age < capacity // 2
        assert float(segments[start].value[0]) == pytest.approx(value_of(start))
    assert len(segments) > capacity // 3


def test_priorities_decide_what_is_drawn():
    buffer, _ = fill(random_script, 60, prioritized=True, priority_exponent=1.0)
    found = buffer.sample(200, 0)
    is_favourite = found.sample.observation[:, 0, -1, 0, 0].numpy() == 0
    buffer.update_priorities(found.indices, np.where(is_favourite, 1e3, 1e-6))
    again = buffer.sample(200, 0).sample.observation[:, 0, -1, 0, 0]
    assert float((again == 0).float().mean()) > 0.95


def test_a_saved_buffer_goes_on(tmp_path):
    buffer, _ = fill(random_script, 50)
    buffer.save(tmp_path, "1")
    other, _ = fill(random_script, 0)
    other.load(tmp_path, "1")
    first, second = draw(buffer), draw(other)
    assert first.keys() == second.keys()
    for start in first:
        assert torch.equal(first[start].value, second[start].value)
        assert torch.equal(first[start].action_weights, second[start].action_weights)


def test_too_small_a_capacity_is_refused():
    with pytest.raises(ConfigurationError, match="capacity_env_steps=16"):
        fill(random_script, 0, capacity=16)


def sums_within(rewards):
    """List the sums of 1 to U rewards in a row of an episode."""
    return [sum(rewards[start : start + length]) for start in range(len(rewards)) for length in range(1, U + 1)]


# Rewards that add up to most in the middle, at the start and at both ends of an episode.
EPISODES = [[1.0, -2.0, 3.0, 4.0, -5.0, -6.0, 0.5], [3.0, 4.0, 0.0, 1.0], [4.0, -1.0, 0.0, 0.0, 5.0]]


@pytest.mark.parametrize("rewards", EPISODES)
def test_a_reward_beyond_what_can_be_learned_is_told_with_both(rewards):
    extreme = max(rewards, key=abs)
    fill(lambda *_: Script(rewards), 40, largest_reward=abs(extreme))
    words = rf"algo\.reward_support_limit .* rewards up to {abs(extreme) - 0.1:g}, .* was {extreme:g};"
    with pytest.raises(ConfigurationError, match=words):
        fill(lambda *_: Script(rewards), 40, largest_reward=abs(extreme) - 0.1)


@pytest.mark.parametrize("rewards", EPISODES)
def test_a_value_must_hold_a_reward_at_least(rewards):
    extreme = max(rewards, key=abs)
    for value_prefix in (False, True):
        fill(lambda *_: Script(rewards), 40, largest_value=abs(extreme), value_prefix=value_prefix)
        words = rf"algo\.value_support_limit .* values up to {abs(extreme) - 0.1:g}, .* was {extreme:g};"
        with pytest.raises(ConfigurationError, match=words):
            fill(lambda *_: Script(rewards), 40, largest_value=abs(extreme) - 0.1, value_prefix=value_prefix)


@pytest.mark.parametrize("rewards", EPISODES)
def test_sums_of_rewards_are_of_one_episode(rewards):
    extreme = max(sums_within(rewards), key=abs)
    assert abs(extreme) > max(abs(reward) for reward in rewards) or rewards is EPISODES[2]
    fill(lambda *_: Script(rewards), 40, largest_reward=abs(extreme), value_prefix=True)
    words = rf"algo\.reward_support_limit .*value_prefix a sum of them\) was {extreme:g};"
    with pytest.raises(ConfigurationError, match=words):
        fill(lambda *_: Script(rewards), 40, largest_reward=abs(extreme) - 0.1, value_prefix=True)


def test_no_sum_of_rewards_crosses_a_lost_life():
    scripts = scripts_in_order([Script([0.0, 0.0, 1.0, 1.0, 0.0], "terminated", lives=[2, 2, 1, 1, 0], first_lives=2)])
    game = ScriptedGame(scripts, 1, frame_stack=2)
    collector = Collector(game, SearchingAct(), seed=0, life_loss_is_terminal=True)
    limits = {"largest_reward": 1.0, "value_prefix": True}
    buffer = SegmentBuffer(
        game.spec, 1, capacity_env_steps=60, unroll_steps=U, n_step=N, discount=GAMMA, seed=0, **limits
    )
    for _ in range(5):
        buffer.add(collector.receive()[0])
    assert max(float(segment.reward[:U].sum()) for segment in draw(buffer).values()) == 1


def test_a_buffer_that_is_told_no_limits_takes_every_reward():
    buffer, _ = fill(lambda *_: Script([1e9, -1e9]), 40, value_prefix=True)
    assert len(buffer) > 0


def test_a_draw_of_no_rows_has_the_types_of_others_and_changes_no_later_draw():
    buffer, _ = fill(random_script, 60)
    other, _ = fill(random_script, 60)
    nothing = buffer.sample(0, 0)
    one, another = buffer.sample(50, 0), other.sample(50, 0)
    assert one.indices.tolist() == another.indices.tolist()
    assert one.sample.action.tolist() == another.sample.action.tolist()  # beyond an end they are random
    assert len(nothing.weight) == len(nothing.indices) == 0
    assert [field.dtype for field in nothing.sample] == [field.dtype for field in one.sample]
    assert [field.shape for field in nothing.sample] == [(0, *field.shape[1:]) for field in one.sample]


@pytest.mark.parametrize("passes", [False, True])
def test_what_is_cut_off_is_worth_as_much_to_whoever_moves_next(passes):
    """Where the turn has passed, the value before, which is the mover's, is the other's with its sign changed."""
    game = ScriptedGame(scripts_in_order([Script([1.0, 2.0, 4.0], "truncated")]), 1, frame_stack=2)
    collector = Collector(game, SearchingAct(), seed=0)
    arguments = {"unroll_steps": U, "n_step": N, "discount": GAMMA, "seed": 0}
    buffer = SegmentBuffer(game.spec, 1, capacity_env_steps=400, **arguments)
    for _ in range(30):
        step, _ = collector.receive()
        buffer.add(step._replace(extras=step.extras | {"turn_passes": np.array([passes])}))
    sign = -1 if passes else 1
    for start, segment in draw(buffer).items():
        end = 2 - start.time
        assert float(segment.discount[end]) == pytest.approx(sign * GAMMA)
        assert float(segment.value[end + 1]) == pytest.approx(sign * value_of(start._replace(time=2)))

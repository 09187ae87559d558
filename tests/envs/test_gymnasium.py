import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary

from tests.fakes import RandomAct, collect
from triptych.collect.collector import Collector
from triptych.envs.gymnasium import Gymnasium
from triptych.types import ConfigurationError


class Spaces(gymnasium.Env):
    """Has the spaces it is told to have and ends after four steps; two lives are lost at the second."""

    def __init__(self, observation_space=None, action_space=None):
        self.observation_space = observation_space or Box(-1, 1, (3,), np.float64)
        self.action_space = action_space or Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._observe(), {"lives": 3}

    def step(self, action):
        self.time += 1
        return self._observe(), 0.5, self.time == 4, False, {"lives": 3 if self.time < 2 else 1}

    def _observe(self):
        space = self.observation_space
        return np.full(space.shape, self.time, space.dtype) if isinstance(space, Box) else space.sample()


@pytest.fixture(autouse=True, scope="module")
def _registered():
    gymnasium.register("Spaces-v0", entry_point=Spaces, disable_env_checker=True)
    yield
    del gymnasium.registry["Spaces-v0"]


def with_spaces(num_envs=1, frame_stack=1, **spaces):
    return Gymnasium("Spaces-v0", num_envs, frame_stack=frame_stack, make_kwargs=spaces)


def assert_equal_to_lone_environments(env_id, game, num_vector_steps, make_kwargs=None, seed=0):
    """Play through the collector, then every episode again in an environment of its own."""
    collector = Collector(game, RandomAct(num_actions=2), seed)
    steps, ended = [], []
    for _ in range(num_vector_steps):
        step, episodes = collector.receive()
        steps.append(step)
        ended += episodes
    assert len(ended) > 2 * game.num_envs
    begun = [0] * game.num_envs
    for episode in ended:
        env = gymnasium.make(env_id, **(make_kwargs or {}))
        observation, _ = env.reset(seed=episode.seed)
        total = 0.0
        for time, action in enumerate(episode.actions):
            step = steps[begun[episode.env_index] + time]
            i = episode.env_index
            np.testing.assert_array_equal(step.observation[i], observation.astype(np.float32))
            observation, reward, terminated, truncated, _ = env.step(action)
            np.testing.assert_array_equal(step.next_observation[i], observation.astype(np.float32))
            assert step.is_first[i] == (time == 0)
            assert step.reward[i] == np.float32(reward)
            assert step.discount[i] == 1 - terminated
            assert step.is_last[i] == (terminated or truncated) == (time == episode.length - 1)
            total += reward
        assert episode.episode_return == pytest.approx(total)
        assert episode.is_truncated == truncated
        begun[episode.env_index] += episode.length
        env.close()


def test_cartpole_through_the_collector_equals_lone_environments():
    assert_equal_to_lone_environments("CartPole-v1", Gymnasium("CartPole-v1", 3), 150)


def test_a_time_limit_truncates():
    kwargs = {"max_episode_steps": 11}
    game = Gymnasium("CartPole-v1", 2, make_kwargs=kwargs)
    assert_equal_to_lone_environments("CartPole-v1", game, 80, kwargs)
    game = Gymnasium("CartPole-v1", 2, make_kwargs=kwargs)
    steps = collect(Collector(game, RandomAct(num_actions=2), 0), 80)
    assert any((step.is_last & (step.discount == 1)).any() for step in steps)


def test_processes_play_the_same_as_one():
    games = [Gymnasium("CartPole-v1", 2, use_processes=use_processes) for use_processes in (False, True)]
    try:
        alone, together = (collect(Collector(game, RandomAct(num_actions=2), 3), 60) for game in games)
        for one, other in zip(alone, together, strict=True):
            for name in ("observation", "reward", "discount", "is_last", "is_first", "next_observation"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    finally:
        for game in games:
            game.close()


def test_what_cartpole_says_of_itself():
    spec = Gymnasium("CartPole-v1", 2).spec
    assert (spec.name, spec.protocol, spec.observation_shape, spec.observation_dtype) == (
        "CartPole-v1", "none", (4,), "float32"
    )  # fmt: skip
    assert (spec.num_actions, spec.action_shape, spec.frame_stack, spec.frame_skip) == (2, (), 1, 1)
    assert (spec.is_image, spec.solved_return) == (False, 475.0)
    assert Gymnasium("CartPole-v1", 2, solved_return=0.0).spec.solved_return == 0.0


def test_continuous_actions_keep_their_bounds():
    spec = with_spaces(action_space=Box(np.array([-1, -2], np.float32), np.array([3, 4], np.float32))).spec
    assert (spec.num_actions, spec.action_shape) == (None, (2,))
    assert (spec.action_low, spec.action_high) == ((-1.0, -2.0), (3.0, 4.0))


def test_frames_of_pixels_are_stacked():
    game = Gymnasium("Catch-v0", 2, frame_stack=3)
    assert (game.spec.observation_shape, game.spec.observation_dtype) == ((3, 10, 10), "uint8")
    assert (game.spec.frame_stack, game.spec.is_image, game.spec.num_actions) == (3, True, 3)
    observation, _ = game.reset(np.array([1, 2]), np.ones(2, bool))
    frames = [observation[0, -1]]
    for _ in range(3):
        game.send(np.array([1, 1]))
        received = game.receive()
        frames.append(received.observation[0, -1])
        newest = [frames[max(len(frames) - age, 0)] for age in (3, 2, 1)]
        np.testing.assert_array_equal(received.observation[0], np.stack(newest))
    assert len({frame.tobytes() for frame in frames}) == 4


@pytest.mark.parametrize(
    "space", [Box(0, 255, (8, 8, 3), np.uint8), Box(-1, 1, (4,), np.float32), Box(0, 255, (16,), np.uint8)]
)
def test_a_frame_stack_that_is_not_stacked_is_refused(space):
    with pytest.raises(ConfigurationError, match="frame_stack"):
        with_spaces(frame_stack=4, observation_space=space)


def test_a_reset_touches_only_what_the_mask_names():
    game = with_spaces(num_envs=3)
    game.reset(np.array([1, 2, 3]), np.ones(3, bool))
    for _ in range(4):
        game.send(np.zeros(3, np.int64))
        received = game.receive()
    assert received.terminated.all()
    observation, lives = game.reset(np.array([4]), np.array([False, True, False]))
    assert observation[:, 0].tolist() == [4, 0, 4]
    assert lives[1] == 3


def test_lives_are_read_after_steps_and_after_resets():
    game = with_spaces(num_envs=2)
    _, lives = game.reset(np.array([1, 2]), np.ones(2, bool))
    seen = [lives.tolist()]
    for _ in range(4):
        game.send(np.zeros(2, np.int64))
        seen.append(game.receive().lives.tolist())
    assert seen == [[3, 3], [3, 3], [1, 1], [1, 1], [1, 1]]


def test_a_lost_life_closes_the_window_through_the_collector():
    collector = Collector(with_spaces(num_envs=2), RandomAct(), 0, life_loss_is_terminal=True)
    steps = collect(collector, 8)
    assert [step.discount.tolist() for step in steps] == [[1, 1], [0, 0], [1, 1], [0, 0]] * 2
    assert [step.is_first.tolist() for step in steps] == [[True] * 2, *[[False] * 2] * 3] * 2


def test_wide_floats_become_single_precision():
    game = with_spaces()
    assert game.spec.observation_dtype == "float32"
    assert game.reset(np.array([0]), np.ones(1, bool))[0].dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gymnasium("NoSuchGame-v9", 1), "NoSuchGame-v9"),
        (lambda: with_spaces(observation_space=Discrete(5)), "only Box"),
        (lambda: with_spaces(observation_space=Dict({"a": Box(0, 1)})), "only Box"),
        (lambda: with_spaces(action_space=Discrete(3, start=1)), "from 1"),
        (lambda: with_spaces(action_space=MultiBinary(3)), "Discrete or Box"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_sentence(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_an_episode_can_be_shown_again():
    game = Gymnasium("Catch-v0", 2, frame_stack=2)
    collector = Collector(game, RandomAct(), 5)
    episode = next(episode for _ in range(9) for episode in collector.receive()[1])
    frames, rewards = zip(*game.replay(episode.seed, episode.actions), strict=True)
    assert len(frames) == episode.length + 1
    assert frames[0].shape == (160, 160, 3)
    assert sum(rewards) == episode.episode_return
    first, _ = game.reset(np.array([episode.seed]), np.array([True, False]))
    np.testing.assert_array_equal(frames[0][8::16, 8::16, 0], first[0, -1])

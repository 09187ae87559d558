import os
from ctypes.util import find_library

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Text
from gymnasium.wrappers import ClipAction

from tests.fakes import RandomAct, collect, random_act
from triptych.collect.collector import Collector
from triptych.collect.evaluation import play_episodes
from triptych.envs.gymnasium import Gymnasium
from triptych.types import ConfigurationError, NoPicture

# id, the module it needs, observations, discrete actions or None, bound and shape of continuous ones, solved return
WORLDS = {
    "Pendulum-v1": (None, (3,), None, (1,), 2.0, None),
    "Hopper-v5": ("mujoco", (11,), None, (3,), 1.0, 3800.0),
    "HalfCheetah-v5": ("mujoco", (17,), None, (6,), 1.0, 4800.0),
    "Walker2d-v5": ("mujoco", (17,), None, (6,), 1.0, None),
    "Swimmer-v5": ("mujoco", (8,), None, (2,), 1.0, 360.0),
    "LunarLander-v3": ("Box2D", (8,), 4, (), None, 200.0),
    "LunarLanderContinuous-v3": ("Box2D", (8,), None, (2,), 1.0, 200.0),
}


def make_world(env_id, num_envs=1, **kwargs):
    module = WORLDS[env_id][0]
    if module is not None:
        pytest.importorskip(module, reason=f"{env_id} needs {module}")
    return Gymnasium(env_id, num_envs, **kwargs)


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


def assert_equal_to_lone_environments(env_id, game, num_vector_steps, make_kwargs=None, seed=0, wrapper=None):
    """Play through the collector, then every episode again in an environment of its own; return the steps."""
    collector = Collector(game, random_act(game.spec), seed)
    steps, ended = [], []
    for _ in range(num_vector_steps):
        step, episodes = collector.receive()
        steps.append(step)
        ended += episodes
    assert len(ended) > 2 * game.num_envs
    begun = [0] * game.num_envs
    for episode in ended:
        env = gymnasium.make(env_id, **(make_kwargs or {}))
        env = env if wrapper is None else wrapper(env)
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
            assert step.is_terminal[i] == terminated
            assert step.is_last[i] == (terminated or truncated) == (time == episode.length - 1)
            total += reward
        assert episode.episode_return == pytest.approx(total)
        assert episode.is_truncated == truncated
        begun[episode.env_index] += episode.length
        env.close()
    return steps


def test_cartpole_through_the_collector_equals_lone_environments():
    assert_equal_to_lone_environments("CartPole-v1", Gymnasium("CartPole-v1", 3), 150)


def test_a_time_limit_truncates():
    kwargs = {"max_episode_steps": 11}
    game = Gymnasium("CartPole-v1", 2, make_kwargs=kwargs)
    assert_equal_to_lone_environments("CartPole-v1", game, 80, kwargs)
    game = Gymnasium("CartPole-v1", 2, make_kwargs=kwargs)
    steps = collect(Collector(game, RandomAct(num_actions=2), 0), 80)
    assert any((step.is_last & ~step.is_terminal).any() for step in steps)


@pytest.mark.parametrize("env_id", WORLDS)
def test_a_world_through_the_collector_equals_lone_environments(env_id):
    kwargs = {"max_episode_steps": 30}
    game = make_world(env_id, 2, make_kwargs=kwargs)
    clip = None if game.spec.num_actions else ClipAction
    assert_equal_to_lone_environments(env_id, game, 130, kwargs, wrapper=clip)


def test_a_hopper_that_falls_is_told_apart_from_one_that_is_stopped():
    kwargs = {"max_episode_steps": 25}
    game = make_world("Hopper-v5", 4, make_kwargs=kwargs)
    steps = assert_equal_to_lone_environments("Hopper-v5", game, 120, kwargs, wrapper=ClipAction)
    ends = np.concatenate([step.is_terminal[step.is_last] for step in steps])
    assert set(ends.tolist()) == {True, False}


@pytest.mark.parametrize("env_id", WORLDS)
def test_what_a_world_says_of_itself(env_id):
    _, observation_shape, num_actions, action_shape, bound, solved_return = WORLDS[env_id]
    spec = make_world(env_id).spec
    assert (spec.name, spec.observation_shape, spec.observation_dtype) == (env_id, observation_shape, "float32")
    assert (spec.num_actions, spec.action_shape, spec.solved_return) == (num_actions, action_shape, solved_return)
    assert set(spec.action_low) == ({-bound} if bound else set())
    assert set(spec.action_high) == ({bound} if bound else set())


@pytest.mark.parametrize("env_id", WORLDS)
def test_an_episode_follows_from_its_seed_and_actions(env_id):
    """The same seeds in other environments, among other neighbours."""
    kwargs = {"max_episode_steps": 40}
    game = make_world(env_id, 1, make_kwargs=kwargs)
    (alone,) = play_episodes(game, random_act(game.spec), [11])
    received = []
    game = make_world(env_id, 3, make_kwargs=kwargs)
    game.reset(np.array([10, 11, 12]), np.ones(3, bool))
    for action in alone.actions:
        game.send(np.stack([np.zeros_like(action), action, np.zeros_like(action)]))
        received.append(game.receive())
    assert sum(float(step.reward[1]) for step in received) == alone.episode_return
    assert [bool(step.terminated[1] | step.truncated[1]) for step in received] == [False] * (alone.length - 1) + [True]
    assert received[-1].truncated[1] == alone.is_truncated
    game.reset(np.array([13]), np.array([False, True, False]))
    game.send(np.stack([np.zeros_like(alone.actions[0])] * 3))
    assert game.receive().observation[1].tolist() != received[0].observation[1].tolist()


def test_processes_play_the_same_as_one():
    games = [Gymnasium("CartPole-v1", 2, use_processes=use_processes) for use_processes in (False, True)]
    try:
        alone, together = (collect(Collector(game, RandomAct(num_actions=2), 3), 60) for game in games)
        for one, other in zip(alone, together, strict=True):
            for name in ("observation", "reward", "is_terminal", "is_last", "is_first", "next_observation"):
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


class EchoesActions(gymnasium.Env):
    """Rewards the sum of a continuous action as it arrives, and refuses one outside the bounds or of another type."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.observation_space = Box(-1, 1, (1,), np.float32)
        self.action_space = Box(np.array([-1, -2], np.float32), np.array([3, 4], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return np.zeros(1, np.float32), float(action.sum()), False, False, {}

    def render(self):
        return np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize("use_processes", [False, True])
def test_continuous_actions_are_clipped_to_their_bounds(use_processes):
    gymnasium.register("EchoesActions-v0", entry_point=EchoesActions, disable_env_checker=True)
    actions = np.array([[7, -9], [2.5, 3.5], [-1e30, 1e30]], np.float32)
    sums = [3 - 2, 2.5 + 3.5, -1 + 4]
    try:
        game = Gymnasium("EchoesActions-v0", 3, use_processes=use_processes)
        game.reset(np.array([1, 2, 3]), np.ones(3, bool))
        game.send(actions)
        assert game.receive().reward.tolist() == sums
        assert [reward for _, reward in game.replay(1, list(actions))] == [0.0, *sums]
        game.close()
    finally:
        del gymnasium.registry["EchoesActions-v0"]
    assert actions[0].tolist() == [7, -9]  # what was sent is what the policy chose


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_no_number_is_an_error(number):
    game = Gymnasium("Pendulum-v1", 2)
    game.reset(np.array([1, 2]), np.ones(2, bool))
    with pytest.raises(ValueError, match="Pendulum-v1 was sent an action"):
        game.send(np.array([[0.5], [number]], np.float32))
    with pytest.raises(ValueError, match="Pendulum-v1 was sent an action"):
        list(game.replay(1, [np.array([number], np.float32)]))


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


@pytest.mark.parametrize("shape", [(12, 16, 3), (3, 12, 16)], ids=["channels last", "channels first"])
def test_frames_in_colour_are_stacked_along_their_channels(shape):
    space = Box(0, 255, shape, np.uint8)
    game, single = (with_spaces(frame_stack=stack, observation_space=space) for stack in (4, 1))
    assert game.spec.observation_shape == (12, 12, 16)
    assert (game.spec.frame_stack, game.spec.is_image) == (4, True)
    seen = []
    for one in (game, single):
        observation, _ = one.reset(np.array([1]), np.ones(1, bool))
        seen.append([observation[0]])
        for _ in range(3):
            one.send(np.zeros(1, np.int64))
            seen[-1].append(one.receive().observation[0])
    stacks, frames = seen
    for time, stack in enumerate(stacks):
        expected = [frames[max(time - age, 0)] for age in (3, 2, 1, 0)]
        np.testing.assert_array_equal(stack, np.concatenate(expected))


def test_pictures_of_other_numbers_are_stacked_as_they_are_read():
    game = with_spaces(frame_stack=3, observation_space=Box(-4, 4, (6, 7), np.float32))
    spec = game.spec
    assert (spec.observation_shape, spec.observation_dtype, spec.pixel_max) == ((3, 6, 7), "float32", 1.0)
    assert (spec.is_image, spec.frame_stack) == (True, 3)
    assert spec.reading == "a picture of 6 x 7 with 1 channels, -4 to 4, the last 3 of them"
    observation, _ = game.reset(np.array([1]), np.ones(1, bool))
    seen = [observation[0, :, 2, 3].tolist()]
    for _ in range(3):
        game.send(np.zeros(1, np.int64))
        seen.append(game.receive().observation[0, :, 2, 3].tolist())
    read = [0.5, 0.625, 0.75, 0.875]  # of 0, 1, 2, 3
    assert seen == [[0.5] * 3, [0.5, 0.5, 0.625], read[:3], read[1:]]


@pytest.mark.parametrize("use_processes", [False, True])
@pytest.mark.parametrize(
    ("name", "actions", "rewards"),
    [
        ("Start", [[0, 1], [1, 0]], [[0, 1], [1, 0]]),
        ("Multi", [[[0, 1], [1, 2]], [[0, 0], [1, 0]]], [[0, 1], [0, 0]]),
        ("MultiStart", [[[0, 1], [1, 2]], [[0, 0], [1, 0]]], [[0, 1], [0, 0]]),
        ("Binary", [[[0, 1, 1], [0, 1, 0]], [[1, 1, 1], [0, 0, 0]]], [[1, 0], [1, 0]]),
    ],
)
def test_a_choice_arrives_as_the_environment_numbers_it(name, actions, rewards, use_processes):
    game = Gymnasium(f"tests.odd_envs:{name}-v0", 2, use_processes=use_processes)
    try:
        assert game.spec.is_discrete
        game.reset(np.array([1, 2]), np.ones(2, bool))
        for action, reward in zip(np.array(actions), rewards, strict=True):
            game.send(action)
            assert game.receive().reward.tolist() == reward
        shown = [reward for _, reward in game.replay(2, [action[1] for action in np.array(actions)])]
        assert shown == [0, *(reward[1] for reward in rewards)]
    finally:
        game.close()


@pytest.mark.parametrize("use_processes", [False, True])
def test_rows_of_choices_and_numbers_arrive_as_nested_actions(use_processes):
    game = Gymnasium("tests.odd_envs:Nested-v0", 2, use_processes=use_processes)
    # The tool, two bits, many; and behind them the two numbers and the whole one.
    first, second = [0, 1, 0, 1, 2, -1.5, 0.05, 3.7], [2, 0, 1, 0, 0, 0.5, 0.0, 0]
    beyond = [2, 0, 1, 0, 0, 99.0, 99.0, -99.0]
    try:
        spec = game.spec
        assert (spec.action_sizes, spec.action_shape, spec.num_actions) == ((3, 2, 2, 2, 3), (8,), None)
        assert (spec.action_low, spec.action_high) == ((-2, 0, -0.5), (2, 0.1, 5.5))
        assert (spec.is_discrete, spec.is_hybrid, spec.action_dtype) == (False, True, "float32")
        game.reset(np.array([1, 2]), np.ones(2, bool))
        sent = np.array([[first, second], [second, beyond]], np.float32)
        expected = [[421011 - 1.5 + 0.05, 103 + 0.5], [103 + 0.5, 103 + 2.1]]
        for actions, rewards in zip(sent, expected, strict=True):
            game.send(actions)
            assert game.receive().reward.tolist() == pytest.approx(rewards)
        shown = [reward for _, reward in game.replay(2, list(sent[:, 1]))]
        assert shown == pytest.approx([0, *(rewards[1] for rewards in expected)])
        game.reset(np.array([1, 2]), np.ones(2, bool))
        with pytest.raises(ValueError, match="infinite or not a number"):
            game.send(np.full((2, 8), np.nan, np.float32))
    finally:
        game.close()


@pytest.mark.parametrize("use_processes", [False, True])
def test_rewards_in_an_array_are_numbers_and_what_is_none_is_told(use_processes):
    game = Gymnasium("tests.odd_envs:ArrayReward-v0", 2, use_processes=use_processes)
    try:
        game.reset(np.array([1, 2]), np.ones(2, bool))
        game.send(np.array([0, 1]))
        assert game.receive().reward.tolist() == [0, 1]
    finally:
        game.close()
    game = Gymnasium("tests.odd_envs:WrongReward-v0", 2, use_processes=use_processes)
    try:
        game.reset(np.array([1, 2]), np.ones(2, bool))
        game.send(np.array([0, 1]))
        game.receive()
        game.send(np.array([0, 1]))
        with pytest.raises(ValueError, match=r"a reward that is no number: array\(\[0., 0.\]\)"):
            game.receive()
    finally:
        game.close()


@pytest.mark.parametrize("use_processes", [False, True])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Grows", r"an observation that has the shape \[3\], but observation_space \[2\]"),
        ("Shrinks", r"an observation that has the shape \[1\], but observation_space \[2\]"),
        ("GrowsWithin", r"an observation that has the shape \[3\], but observation_space \[2\]"),
        ("PaysMuch", r"a reward of 1e\+39, which float32 does not hold"),
    ],
)
def test_what_changes_in_the_middle_of_a_game_is_told(name, sentence, use_processes):
    game = Gymnasium(f"tests.odd_envs:{name}-v0", 2, use_processes=use_processes)
    try:
        game.reset(np.array([1, 2]), np.ones(2, bool))
        game.send(np.array([0, 1]))
        game.receive()
        game.send(np.array([0, 1]))
        with pytest.raises(ValueError, match=sentence):
            game.receive()
    finally:
        game.close()


@pytest.mark.parametrize("space", [Box(-1, 1, (4,), np.float32), Box(0, 255, (16,), np.uint8)])
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
    assert [step.is_terminal.tolist() for step in steps] == [[False] * 2, [True] * 2] * 4
    assert [step.is_first.tolist() for step in steps] == [[True] * 2, *[[False] * 2] * 3] * 2


def test_wide_floats_become_single_precision():
    game = with_spaces()
    assert game.spec.observation_dtype == "float32"
    assert game.reset(np.array([0]), np.ones(1, bool))[0].dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gymnasium("NoSuchGame-v9", 1), "NoSuchGame-v9"),
        (lambda: Gymnasium("nosuchpackage:Game-v0", 1), "nosuchpackage"),
        (lambda: Gymnasium("CartPole-v1", 1, wrappers=["gymnasium.wrappers.NoSuch"]), "gymnasium.wrappers.NoSuch"),
        (lambda: Gymnasium("CartPole-v1", 1, wrappers=["nosuchpackage.Wrapper"]), "nosuchpackage.Wrapper"),
        (lambda: Gymnasium("CartPole-v1", 1, wrappers="gymnasium.wrappers.ClipAction"), "it takes a list"),
        (lambda: Gymnasium("CartPole-v1", 1, wrappers=["gymnasium.wrappers.ClipAction"]), "do not fit"),
        (lambda: Gymnasium("CartPole-v1", 1, wrappers=["sys.exit"]), "no wrapper"),
        (lambda: Gymnasium("CartPole-v1", 1, wrappers=[None]), "no wrapper"),
        (lambda: Gymnasium("a:b:CartPole-v1", 1), "<module>:<id>"),
        (lambda: with_spaces(observation_space=Text(5)), "no vector of a fixed length"),
        (lambda: with_spaces(action_space=Text(5)), "actions of type Text"),
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


class OneBoard(gymnasium.Env):
    """Draws every picture into the same array: how many steps there were."""

    observation_space = Box(0, 255, (3, 4), np.uint8)
    action_space = Discrete(2)

    def __init__(self, render_mode=None):
        self.board = np.zeros((3, 4), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.board[...] = 0
        return self.board, {}

    def step(self, action):
        self.board += 1
        return self.board, 0.0, False, False, {}


def test_pictures_that_are_drawn_into_one_array_are_stacked_as_they_were():
    gymnasium.register("OneBoard-v0", OneBoard)
    game = Gymnasium("OneBoard-v0", 1, frame_stack=3)
    observation = game.reset(np.array([1]), np.array([True]))[0]
    for _ in range(3):
        game.send(np.array([0]))
        observation = game.receive().observation
    assert observation[0, :, 0, 0].tolist() == [1, 2, 3]


def test_what_cannot_be_drawn_says_so():
    game = Gymnasium("Catch-v0", 1, wrappers=["tests.broken_env.Undrawable"])
    with pytest.raises(NoPicture, match=r"^Catch-v0 cannot be drawn here: ConnectionError: there is no display$"):
        next(game.replay(1, [0]))
    with pytest.raises(NoPicture, match=r"Spaces-v0 cannot be drawn here: TypeError: .*render_mode"):
        next(with_spaces().replay(1, [0]))
    with pytest.raises(NoPicture, match=r"NoMode-v0 cannot be drawn here: ValueError: .*render_modes=\['human'\]"):
        next(Gymnasium("tests.odd_envs:NoMode-v0", 1).replay(1, [0]))


def test_wrappers_are_put_around_from_the_inside_out():
    names = [f"gymnasium.wrappers.{name}" for name in ("FlattenObservation", "NormalizeObservation")]
    game = Gymnasium("Blackjack-v1", 2, wrappers=names[:1])
    assert game.spec.observation_shape == (32 + 11 + 2,)
    assert game.reset(np.array([1, 2]), np.ones(2, bool))[0].sum(axis=1).tolist() == [3, 3]
    assert Gymnasium("Blackjack-v1", 2, wrappers=names).spec.observation_shape == (45,)
    with pytest.raises(ConfigurationError, match="do not fit"):
        Gymnasium("Blackjack-v1", 2, wrappers=names[::-1])


def test_what_wrappers_do_to_rewards_is_shown_again():
    game = Gymnasium("CartPole-v1", 1, wrappers=["tests.envs.test_gymnasium.halve_rewards"])
    (episode,) = play_episodes(game, RandomAct(num_actions=2), [3])
    assert episode.episode_return == episode.length / 2
    assert sum(reward for _, reward in game.replay(episode.seed, episode.actions)) == episode.episode_return


def halve_rewards(env):
    return gymnasium.wrappers.TransformReward(env, lambda reward: reward / 2)


def assert_shown_again(game, seed, num_steps):
    """Play without ever drawing, then show it: the same rewards to the bit, and pictures that change."""
    game.reset(np.array([seed]), np.ones(1, bool))
    act, rewards, actions = random_act(game.spec), [0.0], []
    for _ in range(num_steps):
        actions.append(act(np.empty(1))[0][0])
        game.send(actions[-1][None])
        rewards.append(float(game.receive().reward[0]))
    frames, shown = zip(*game.replay(seed, actions), strict=True)
    assert list(shown) == rewards
    assert all(frame.dtype == np.uint8 and frame.shape == (*frames[0].shape[:2], 3) for frame in frames)
    assert (frames[0] != frames[-1]).any()


@pytest.mark.parametrize("env_id", [env_id for env_id, world in WORLDS.items() if world[0] != "mujoco"])
def test_a_world_can_be_shown_again(env_id):
    assert_shown_again(make_world(env_id), 4, 20)


@pytest.mark.skipif(
    find_library("EGL") is None and "MUJOCO_GL" not in os.environ, reason="MuJoCo draws off screen through libEGL"
)
@pytest.mark.parametrize("env_id", [env_id for env_id, world in WORLDS.items() if world[0] == "mujoco"])
def test_mujoco_can_be_shown_again(env_id):
    assert_shown_again(make_world(env_id), 4, 8)


def test_what_gymnasiums_checker_refuses_is_told_in_a_sentence():
    gymnasium.register("NoActions-v0", entry_point=Spaces)
    with pytest.raises(ConfigurationError, match=r"env\.id=NoActions-v0 cannot be made by Gymnasium: An empty Tuple"):
        Gymnasium(
            "NoActions-v0", 1, make_kwargs={"action_space": gymnasium.spaces.Tuple((gymnasium.spaces.Tuple(()),))}
        )

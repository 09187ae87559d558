import numpy as np
import pytest

from triptych.envs.atari import UNPLAYABLE, Atari, games
from triptych.types import ConfigurationError

SEEDS = np.array([11, 22])
MACHADO = {"full_action_space": True, "repeat_action_prob": 0.25, "noop_max": 0}


@pytest.fixture
def make():
    made = []

    def make(game="pong", num_envs=2, **settings):
        made.append(Atari(game, num_envs, num_threads=1, **settings))
        return made[-1]

    yield make
    for game in made:
        game.close()


def random_actions(game, num_vector_steps, seed=0):
    return np.random.default_rng(seed).integers(game.spec.num_actions, size=(num_vector_steps, game.num_envs))


def play(game, seeds, actions):
    """Play from these seeds; return copies of all that came back, the first entry being that of the reset."""
    observation, lives = game.reset(np.array(seeds), np.ones(game.num_envs, bool))
    received = [(observation.copy(), np.zeros(game.num_envs), lives * 0 > 0, lives * 0 > 0, lives)]
    for action in actions:
        game.send(action)
        received.append(tuple(array.copy() for array in game.receive()))
    return [np.stack(arrays) for arrays in zip(*received, strict=True)]


@pytest.mark.parametrize("settings", [{}, MACHADO], ids=["nature", "machado"])
def test_same_seeds_and_actions_give_the_same_bytes(make, settings):
    one, other = make(**settings), make(**settings)
    actions = random_actions(one, 40)
    for first, second in zip(play(one, SEEDS, actions), play(other, SEEDS, actions), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_seed_names_an_episode_whatever_plays_beside_it(make):
    pair, lone = make(num_envs=3), make(num_envs=1)
    actions = random_actions(pair, 40)
    together = play(pair, [5, 6, 22], actions)
    alone = play(lone, [22], actions[:, 2:])
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_array_equal(first[:, 2:], second)


@pytest.mark.parametrize(("noop_max", "num_different"), [(30, 3), (0, 1)])
def test_no_ops_make_episodes_differ_and_without_them_all_are_alike(make, noop_max, num_different):
    game = make(num_envs=3, noop_max=noop_max)
    observations = play(game, [0, 1, 2], np.full((35, 3), 2))[0]
    assert len({observations[:, env_index].tobytes() for env_index in range(3)}) == num_different


def test_sticky_actions_differ_from_the_ones_chosen(make):
    games_ = [make(noop_max=0, repeat_action_prob=prob) for prob in (0.0, 0.0, 0.25)]
    actions = random_actions(games_[0], 40)
    plain, again, sticky = (play(game, SEEDS, actions)[0] for game in games_)
    np.testing.assert_array_equal(plain, again)
    assert (plain != sticky).any(axis=(0, 2, 3, 4)).all()


@pytest.mark.parametrize("settings", [{}, MACHADO], ids=["nature", "machado"])
def test_an_episode_shown_in_colour_has_the_return_of_the_original(make, settings):
    game = make(max_frames_per_episode=1600, **settings)
    actions = random_actions(game, 390)
    _, rewards, terminated, truncated, _ = play(game, SEEDS, actions)
    assert not (terminated | truncated)[:300].any()
    ends = np.flatnonzero((terminated | truncated)[:, 1])
    length = int(ends[0]) if len(ends) else 390
    frames, shown = zip(*game.replay(int(SEEDS[1]), list(actions[:length, 1])), strict=True)
    np.testing.assert_array_equal(np.array(shown), rewards[: length + 1, 1])
    assert np.abs(shown).sum() >= 3
    assert (frames[0].shape, frames[0].dtype) == ((210, 160, 3), np.uint8)
    assert len({frame.tobytes() for frame in frames}) > length / 2
    assert any((frame[..., 0] != frame[..., 2]).any() for frame in frames)


def test_the_cap_on_frames_truncates_and_does_not_terminate(make):
    game = make(num_envs=1, max_frames_per_episode=200, noop_max=0)
    _, _, terminated, truncated, _ = play(game, [3], random_actions(game, 50))
    assert np.flatnonzero(truncated[:, 0]).tolist() == [50]
    assert not terminated.any()


def test_a_lost_game_terminates(make):
    game = make("breakout", num_envs=1)
    fire_then_wait = np.array([[1 if step % 8 == 0 else 0] for step in range(400)])
    _, lives = game.reset(np.array([1]), np.ones(1, bool))
    seen = [int(lives[0])]
    for action in fire_then_wait:
        game.send(action)
        received = game.receive()
        seen.append(int(received.lives[0]))
        if received.terminated[0] or received.truncated[0]:
            break
    assert received.terminated.tolist() == [True]
    assert received.truncated.tolist() == [False]
    assert [lives for i, lives in enumerate(seen) if i == 0 or lives != seen[i - 1]] == [5, 4, 3, 2, 1, 0]
    _, lives = game.reset(np.array([2]), np.ones(1, bool))
    assert lives.tolist() == [5]


def test_a_reset_touches_only_what_the_mask_names(make):
    game, undisturbed = make(), make()
    actions = random_actions(game, 30)
    before = play(game, SEEDS, actions[:15])[0][-1]
    observation, _ = game.reset(np.array([9]), np.array([True, False]))
    np.testing.assert_array_equal(observation[1], before[1])
    assert (observation[0] != before[0]).any()
    expected = play(undisturbed, SEEDS, actions)[0]
    for time, action in enumerate(actions[15:], start=16):
        game.send(action)
        np.testing.assert_array_equal(game.receive().observation[1], expected[time, 1])


def test_observations_handed_out_stay_as_they_are(make):
    game = make()
    kept, copies = [], []
    observation, _ = game.reset(SEEDS, np.ones(2, bool))
    for action in random_actions(game, 12):
        kept.append(observation)
        copies.append(observation.copy())
        game.send(action)
        observation = game.receive().observation
    game.reset(np.array([1]), np.array([True, False]))
    np.testing.assert_array_equal(np.stack(kept), np.stack(copies))


def test_stacks_shift_by_one_frame_a_step(make):
    game = make()
    observations = play(game, SEEDS, random_actions(game, 20))[0]
    np.testing.assert_array_equal(observations[1:, :, :-1], observations[:-1, :, 1:])


@pytest.mark.parametrize("frame_skip", [1, 4, 5])
def test_the_frame_skip_is_measured(make, frame_skip):
    game = make(frame_skip=frame_skip)
    assert game.measure_frame_skip() == game.spec.frame_skip == frame_skip


def test_rewards_are_not_clipped(make):
    game = make("ms_pacman", noop_max=0)
    rewards = play(game, SEEDS, random_actions(game, 150))[1]
    assert rewards.max() >= 10
    assert np.all(rewards % 10 == 0)


@pytest.mark.parametrize(("full_action_space", "num_actions"), [(False, 6), (True, 18)])
def test_what_pong_says_of_itself(make, full_action_space, num_actions):
    spec = make(full_action_space=full_action_space, protocol="some", solved_return=19.0).spec
    assert (spec.name, spec.protocol, spec.num_actions, spec.action_shape) == (
        "pong",
        "some",
        num_actions,
        (),
    )
    assert (spec.observation_shape, spec.observation_dtype, spec.is_image) == ((4, 84, 84), "uint8", True)
    assert (spec.frame_stack, spec.frame_skip) == (4, 4)
    assert (spec.random_score, spec.human_score, spec.solved_return) == (-20.7, 14.6, 19.0)


def test_size_and_stack_are_as_asked(make):
    game = make(frame_stack=2, image_size=40)
    observation, _ = game.reset(SEEDS, np.ones(2, bool))
    assert observation.shape == (2, *game.spec.observation_shape) == (2, 2, 40, 40)
    assert observation.dtype == np.uint8


@pytest.mark.parametrize("game", ["combat", "joust", "maze_craze", "warlords"])
def test_roms_that_would_end_the_process_are_refused(game):
    assert game in UNPLAYABLE
    assert game not in games()
    with pytest.raises(ConfigurationError, match=game):
        Atari(game, 1)


def test_all_other_roms_are_offered():
    assert len(games()) == 104
    assert games() == sorted(set(games()))
    assert {"pong", "breakout", "ms_pacman"} <= set(games())

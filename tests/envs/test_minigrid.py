import itertools

import gymnasium
import numpy as np
import pytest

from tests.fakes import RandomAct, collect
from triptych.collect.collector import Collector
from triptych.collect.evaluation import play_episodes
from triptych.envs.gymnasium import Gymnasium

pytest.importorskip("minigrid", reason="the labyrinths need minigrid")

from triptych.envs.minigrid import OneHotView, RememberedMap

FOUR_ROOMS, MULTI_ROOM = "minigrid:MiniGrid-FourRooms-v0", "minigrid:MiniGrid-MultiRoom-N2-S4-v0"
ONE_HOT = ["triptych.envs.minigrid.OneHotView"]
PIXELS = ["minigrid.wrappers.RGBImgPartialObsWrapper", "minigrid.wrappers.ImgObsWrapper"]
LABYRINTHS = {
    "map": (FOUR_ROOMS, ["triptych.envs.minigrid.RememberedMap"]),
    "view": (FOUR_ROOMS, ONE_HOT),
    "multiroom": (MULTI_ROOM, ONE_HOT),
    "pixels": (FOUR_ROOMS, PIXELS),
}
LEFT, RIGHT, FORWARD = 0, 1, 2
EAST = 0


def labyrinth(name, num_envs=1, **kwargs):
    env_id, wrappers = LABYRINTHS[name]
    return Gymnasium(env_id, num_envs, wrappers=wrappers, **kwargs)


def direction_of(observation):
    return int(observation[-4:].argmax())


def test_one_cell_by_hand():
    wrapper = OneHotView(gymnasium.make(FOUR_ROOMS))
    view = np.zeros((7, 7, 3), np.uint8)
    view[3, 2] = (4, 2, 1)  # a door, blue, closed
    ones = np.flatnonzero(wrapper.observation({"image": view, "direction": 2, "mission": ""}))
    begin = (3 * 7 + 2) * 20
    assert [index - begin for index in ones if begin <= index < begin + 20] == [4, 11 + 2, 11 + 6 + 1]
    elsewhere = [index % 20 for index in ones if not begin <= index < begin + 20 and index < 980]
    assert elsewhere == [0, 11, 11 + 6] * 48  # unseen: the first object, colour and state
    assert ones[-1] == 980 + 2


def test_the_one_hot_view_loses_nothing():
    game, env = labyrinth("multiroom"), gymnasium.make(MULTI_ROOM)
    raw, _ = env.reset(seed=5)
    seen, _ = game.reset(np.array([5]), np.ones(1, bool))
    kinds = set()
    for action in np.random.default_rng(0).integers(7, size=30):
        cells = seen[0, :980].reshape(7, 7, 20)
        parts = [cells[..., :11], cells[..., 11:17], cells[..., 17:]]
        assert all((part.sum(axis=-1) == 1).all() for part in parts)
        np.testing.assert_array_equal(np.stack([part.argmax(axis=-1) for part in parts], axis=-1), raw["image"])
        assert direction_of(seen[0]) == raw["direction"]
        kinds |= set(raw["image"][..., 0].ravel().tolist())
        raw, reward, terminated, truncated, _ = env.step(action)
        game.send(np.array([action]))
        received = game.receive()
        seen = received.observation
        assert (received.reward[0], received.terminated[0], received.truncated[0]) == (reward, terminated, truncated)
    assert {0, 1, 2, 4} <= kinds  # unseen, empty, wall, door


def one_hot_by_hand(cell):
    """Name the planes of a cell that are 255."""
    kind, color, state = cell
    return set() if kind == 0 else {1} if kind == 1 else {kind, 11 + color, 11 + 6 + state}


@pytest.mark.parametrize(("env_id", "radius"), [(FOUR_ROOMS, 9), (MULTI_ROOM, 9), (FOUR_ROOMS, 2), (MULTI_ROOM, 30)])
def test_the_map_shows_every_cell_that_was_ever_in_view(env_id, radius):
    wrapper = RememberedMap(gymnasium.make(env_id), radius=radius)
    labyrinth, random = wrapper.unwrapped, np.random.default_rng(0)
    for seed in range(3):
        observation, _ = wrapper.reset(seed=seed)
        known = {}
        for _ in range(25):
            _, is_visible = labyrinth.gen_obs_grid()
            for place in itertools.product(range(labyrinth.width), range(labyrinth.height)):
                in_view = labyrinth.relative_coords(*place)
                if in_view is not None and is_visible[in_view]:
                    cell = labyrinth.grid.get(*place)
                    known[place] = (1, 0, 0) if cell is None else cell.encode()
            expected = np.zeros((20, 2 * radius + 1, 2 * radius + 1), np.uint8)
            (px, py), (ax, ay) = labyrinth.agent_pos, labyrinth.dir_vec
            for (x, y), cell in known.items():
                ahead, right = (x - px) * ax + (y - py) * ay, -(x - px) * ay + (y - py) * ax
                if max(abs(ahead), abs(right)) <= radius:
                    expected[sorted(one_hot_by_hand(cell)), radius - ahead, radius + right] = 255
            np.testing.assert_array_equal(observation, expected)
            observation, _, terminated, truncated, _ = wrapper.step(random.choice([LEFT, RIGHT, FORWARD, FORWARD, 5]))
            if terminated or truncated:
                break
        assert len(known) > 10


def test_views_that_are_not_minigrids_own_are_refused():
    for wrapper in (OneHotView, RememberedMap):
        with pytest.raises(TypeError, match=wrapper.__name__):
            wrapper(gymnasium.make("CartPole-v1"))


def test_what_the_labyrinths_say_of_themselves():
    spec = labyrinth("view").spec
    assert (spec.name, spec.observation_shape, spec.observation_dtype) == ("MiniGrid-FourRooms-v0", (984,), "float32")
    assert (spec.num_actions, spec.action_shape, spec.is_image, spec.solved_return) == (7, (), False, None)
    spec = labyrinth("map").spec
    assert (spec.observation_shape, spec.observation_dtype, spec.is_image) == ((20, 19, 19), "uint8", True)
    spec = labyrinth("pixels").spec
    assert (spec.observation_shape, spec.observation_dtype, spec.is_image) == ((3, 56, 56), "uint8", True)


def test_the_picture_is_the_partial_view():
    game, env = labyrinth("pixels"), gymnasium.make(FOUR_ROOMS)
    env.reset(seed=2)
    seen, _ = game.reset(np.array([2]), np.ones(1, bool))
    for action in (LEFT, FORWARD, RIGHT):
        np.testing.assert_array_equal(seen[0].transpose(1, 2, 0), env.unwrapped.get_frame(tile_size=8, agent_pov=True))
        env.step(action)
        game.send(np.array([action]))
        seen = game.receive().observation


def test_time_that_runs_out_is_a_truncation():
    collector = Collector(labyrinth("view", 2), lambda observation: (np.full(2, LEFT), {}), 0)
    steps = collect(collector, 250)
    last = [[time for time, step in enumerate(steps, start=1) if step.is_last[i]] for i in range(2)]
    assert last == [[100, 200]] * 2  # 100 steps, as registered
    assert all(not step.is_terminal.any() and (step.reward == 0).all() for step in steps)


def test_the_goal_is_a_termination_and_its_reward_falls_with_time():
    game = labyrinth("view", make_kwargs={"agent_pos": (1, 1), "goal_pos": (4, 1)})

    def go_east(observation):
        return np.array([FORWARD if direction_of(observation[0]) == EAST else RIGHT]), {}

    episodes = play_episodes(game, go_east, list(range(8)))
    lengths = {episode.length for episode in episodes}
    assert lengths <= {3, 4, 5, 6}
    assert len(lengths) > 1
    for episode in episodes:
        assert not episode.is_truncated
        assert episode.episode_return == pytest.approx(1 - 0.9 * episode.length / 100)


@pytest.mark.parametrize("name", LABYRINTHS)
def test_a_seed_and_actions_are_an_episode(name):
    games = [labyrinth(name, num_envs) for num_envs in (1, 3)]
    (alone,) = play_episodes(games[0], RandomAct(num_actions=3), [21])
    games[0].reset(np.array([21]), np.ones(1, bool))
    games[1].reset(np.array([20, 21, 22]), np.ones(3, bool))
    seen = []
    for action in alone.actions:
        games[0].send(np.array([action]))
        games[1].send(np.array([LEFT, action, RIGHT]))
        one, other = games[0].receive(), games[1].receive()
        np.testing.assert_array_equal(one.observation[0], other.observation[1])
        assert one.reward[0] == other.reward[1]
        seen.append(other.observation)
    assert any((observation[0] != observation[1]).any() for observation in seen)


@pytest.mark.parametrize("name", LABYRINTHS)
def test_an_episode_can_be_shown_again(name):
    game = labyrinth(name)
    (episode,) = play_episodes(game, RandomAct(num_actions=3), [7])
    frames, rewards = zip(*game.replay(episode.seed, episode.actions[:12]), strict=True)
    assert len(frames) == len(rewards) == 13
    assert frames[0].shape[2] == 3
    assert frames[0].shape[0] == frames[0].shape[1] > 200  # the whole map from above, not the view


def test_a_reward_at_the_goal_is_shown_to_the_bit():
    game = labyrinth("view", make_kwargs={"agent_pos": (1, 1), "goal_pos": (2, 1)})

    def go_east(observation):
        return np.array([FORWARD if direction_of(observation[0]) == EAST else RIGHT]), {}

    (episode,) = play_episodes(game, go_east, [1])
    assert 0.9 < episode.episode_return < 1
    assert sum(reward for _, reward in game.replay(episode.seed, episode.actions)) == episode.episode_return

"""Games of OpenSpiel: whose turn, whose reward, what is allowed, and the rules to plan by."""

from __future__ import annotations

import numpy as np
import pytest

from triptych.collect.collector import Collector
from triptych.collect.evaluation import play_episodes
from triptych.collect.random_play import RandomActor
from triptych.collect.two_sided import TwoSidedGames
from triptych.envs.matches import _tree_search
from triptych.envs.openspiel import OpenSpiel
from triptych.envs.positions import load_game
from triptych.types import ActionCells, ConfigurationError

pyspiel = pytest.importorskip("pyspiel")

TIC_TAC_TOE = {"id": "tic_tac_toe", "player_planes": [2, 1], "symmetries": "square"}
CONNECT_FOUR = {"id": "connect_four", "player_planes": [0, 1], "symmetries": "mirror"}
GO = {"id": "go", "board_size": 5, "player_planes": [0, 1], "symmetries": "square"}
HEX = {"id": "hex", "board_size": 4}
BOARD_GAMES = [TIC_TAC_TOE, CONNECT_FOUR, GO, HEX]
POKER = [{"id": "kuhn_poker"}, {"id": "leduc_poker"}]


def name_of(keywords: dict) -> str:
    return keywords["id"]


def play(game: OpenSpiel, actions: list[int]) -> list:
    game.reset(np.array([0]), np.array([True]))
    received = []
    for action in actions:
        game.send(np.array([action]))
        received.append(game.receive())
    return received


def test_rewards_are_those_of_who_moved_and_the_turn_passes_with_every_move_but_the_last():
    game = OpenSpiel(num_envs=1, **TIC_TAC_TOE)

    received = play(game, [0, 3, 1, 4, 2])  # the first row: the first player wins with the fifth move

    assert [float(one.reward[0]) for one in received] == [0, 0, 0, 0, 1]
    assert [bool(one.turn_passes[0]) for one in received] == [True, True, True, True, False]
    assert [bool(one.terminated[0]) for one in received] == [False, False, False, False, True]

    lost = play(game, [0, 3, 1, 4, 8, 5])  # the second row: the second player wins with the sixth
    assert float(lost[-1].reward[0]) == 1


def test_planes_are_of_the_player_to_move():
    game = OpenSpiel(num_envs=1, **TIC_TAC_TOE)

    first, second = play(game, [0, 4])

    own, others = game.spec.see(first.observation)[0, [2, 1]]  # the second player is to move, and the cross is not his
    assert own.sum() == 0
    assert others.ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    own, others = game.spec.see(second.observation)[0, [2, 1]]
    assert own.ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert others.ravel().tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_without_planes_of_players_a_plane_says_whose_turn_it_is():
    game = OpenSpiel(num_envs=1, **HEX)
    observation, _ = game.reset(np.array([0]), np.array([True]))
    assert (game.spec.see(observation)[0, -1] == 0).all()
    (received,) = play(game, [3])
    assert (game.spec.see(received.observation)[0, -1] == 1).all()


@pytest.mark.parametrize("keywords", [*BOARD_GAMES, *POKER], ids=name_of)
def test_what_is_allowed_is_what_the_game_allows_and_random_play_keeps_to_it(keywords):
    game = OpenSpiel(num_envs=8, **keywords)
    actor, seen = RandomActor(game.spec, seed=0), set()
    observation, _ = game.reset(np.arange(8), np.ones(8, bool))
    for step in range(60):
        for env_index, match in enumerate(game._matches):
            legal = np.flatnonzero(game.spec.legal_actions(observation)[env_index]).tolist()
            assert legal == ([] if match.state.is_terminal() else match.state.legal_actions())
        action, _ = actor(observation)
        seen |= set(action.tolist())
        game.send(action)
        received = game.receive()
        observation = received.observation
        if received.terminated.any():
            observation, _ = game.reset(np.arange(received.terminated.sum()) + 100 * step, received.terminated)
    assert len(seen) > min(game.spec.num_actions, 9) // 2


def test_an_action_that_is_not_allowed_is_told():
    game = OpenSpiel(num_envs=1, **TIC_TAC_TOE)
    with pytest.raises(ValueError, match="was sent action 4, not allowed"):
        play(game, [4, 4])


@pytest.mark.parametrize("keywords", [*BOARD_GAMES, *POKER], ids=name_of)
@pytest.mark.parametrize("opponent", ["self", "random", "search"])
def test_seed_and_actions_play_a_game_again(keywords, opponent):
    game = OpenSpiel(num_envs=4, opponent=opponent, opponent_simulations=5, **keywords)
    seeds = [3, 8, 11, 2**31 - 1]
    episodes = play_episodes(game, RandomActor(game.spec, seed=1), seeds)
    for episode in episodes:
        frames, rewards = zip(*game.replay(episode.seed, episode.actions), strict=True)
        assert len(frames) == episode.length + 1
        assert sum(rewards) == pytest.approx(episode.episode_return)
        assert frames[0].dtype == np.uint8
        assert frames[0].shape[2] == 3
    again = play_episodes(game, RandomActor(game.spec, seed=1), seeds)
    assert [one.episode_return for one in again] == [one.episode_return for one in episodes]


def test_a_return_is_that_of_the_player_who_moved_first():
    game = OpenSpiel(num_envs=1, **TIC_TAC_TOE)
    moves = iter([0, 3, 1, 4, 8, 5])  # the second player wins
    (episode,) = play_episodes(game, lambda seen: (np.array([next(moves)]), {}), [0])
    assert episode.episode_return == -1

    moves = iter([0, 3, 1, 4, 8, 5] + [0] * 9)
    collector = Collector(game, lambda seen: (np.array([next(moves)]), {}), seed=1)
    ended = [episode for _ in range(6) for episode in collector.receive()[1]]
    assert [one.episode_return for one in ended] == [-1]


def test_an_opponent_answers_from_the_other_seat():
    game = OpenSpiel(num_envs=2, opponent="self", eval_opponent="random", **TIC_TAC_TOE)
    assert game.spec.num_players == 2
    game.face_opponent()
    observation, _ = game.reset(np.array([0, 1]), np.ones(2, bool))  # seats 0 and 1
    stones = game.spec.see(observation)[:, 1:].sum(axis=(1, 2, 3)).tolist()
    assert stones == [0, 1]  # against the second seat the opponent has moved already
    game.send(np.argmax(game.spec.legal_actions(observation), axis=1))
    received = game.receive()
    assert not received.turn_passes.any()
    assert game.spec.see(received.observation)[:, 1:].sum(axis=(1, 2, 3)).tolist() == [2, 3]


def test_a_good_opponent_beats_random_play():
    game = OpenSpiel(num_envs=8, opponent="search", opponent_simulations=50, **TIC_TAC_TOE)
    episodes = play_episodes(game, RandomActor(game.spec, seed=0), list(range(40)))
    assert np.mean([episode.episode_return for episode in episodes]) < -0.6


@pytest.mark.parametrize("keywords", BOARD_GAMES, ids=name_of)
def test_the_rules_do_what_the_game_does(keywords):
    game = OpenSpiel(num_envs=6, **keywords)
    actor, rules = RandomActor(game.spec, seed=5), game.spec.rules
    observation, _ = game.reset(np.arange(6), np.ones(6, bool))
    is_running, positions = np.ones(6, bool), rules.set_up(observation)
    for _ in range(30):
        actions, _ = actor(observation)
        outcome = rules.play(positions, actions)
        again = rules.play(rules.set_up(observation), actions)  # a position follows from its observation alone
        game.send(actions)
        received = game.receive()
        for made in (outcome, again):
            np.testing.assert_array_equal(made.observation, received.observation)
            np.testing.assert_array_equal(made.is_terminal, received.terminated)
            np.testing.assert_array_equal(made.reward[is_running], received.reward[is_running])
            np.testing.assert_array_equal(made.turn_passes, received.turn_passes)
        positions, observation = rules.set_up(received.observation), received.observation
        is_running &= ~received.terminated


def test_a_move_that_the_rules_do_not_allow_loses():
    game = OpenSpiel(num_envs=1, **TIC_TAC_TOE)
    (received,) = play(game, [4])
    rules = game.spec.rules
    outcome = rules.play(rules.set_up(received.observation), np.array([4]))
    assert outcome.reward.tolist() == [-1]
    assert outcome.is_terminal.tolist() == [True]


def test_moves_leave_their_positions_as_they_are():
    game = OpenSpiel(num_envs=1, **TIC_TAC_TOE)
    observation, _ = game.reset(np.array([0]), np.array([True]))
    rules = game.spec.rules
    root = rules.set_up(observation)
    one, other = rules.play(root, np.array([0])), rules.play(root, np.array([8]))
    assert one.positions.tolist() != other.positions.tolist()
    both = rules.play(np.concatenate([one.positions, other.positions]), np.array([8, 0]))
    stones = game.spec.see(both.observation)[:, 1:].sum(axis=1).reshape(2, 9)
    assert stones[0].tolist() == stones[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("keywords", [TIC_TAC_TOE, CONNECT_FOUR, GO], ids=name_of)
def test_after_a_symmetry_the_game_is_the_same(keywords):
    """Moves mapped by a symmetry lead to the planes mapped by it, and so on through whole games."""
    plain, turned = OpenSpiel(num_envs=1, **keywords), OpenSpiel(num_envs=1, **keywords)
    cells, actions = plain.spec.symmetries
    assert len(cells) == {"square": 8, "mirror": 2}[keywords["symmetries"]]
    for way in range(len(cells)):
        actor = RandomActor(plain.spec, seed=way)
        observation, _ = plain.reset(np.array([0]), np.array([True]))
        turned.reset(np.array([0]), np.array([True]))
        for _ in range(40):
            action, _ = actor(observation)
            plain.send(action)
            turned.send(np.flatnonzero(actions[way] == action[0]))  # the action that does there what this does here
            here, there = plain.receive(), turned.receive()
            seen, seen_there = (plain.spec.see(one.observation)[0].reshape(-1, cells.shape[1]) for one in (here, there))
            np.testing.assert_array_equal(seen_there, seen[:, cells[way]])
            legal, legal_there = (plain.spec.legal_actions(one.observation)[0] for one in (here, there))
            np.testing.assert_array_equal(legal_there, legal[actions[way]])
            assert here.reward == there.reward
            observation = here.observation
            if here.terminated[0]:
                break


@pytest.mark.parametrize(
    ("id", "sentence"),
    [
        ("no_such_game", "is no game of OpenSpiel's"),
        ("matching_pennies_3p", "has 3 players"),
        ("goofspiel", "moves at the same time"),
        ("bargaining", "both may win"),
        ("dark_chess", "what its players know, from all that they have seen and done, as numbers"),
        ("gin_rummy", "what its players know, from all that they have seen and done, as numbers"),
        ("morpion_solitaire", "what its players see as numbers"),
        ("nfg_game", "cannot be made with"),
    ],
)
def test_games_of_other_kinds_are_refused(id, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        load_game(id, {})


def test_a_game_that_crashes_when_a_forbidden_move_is_named_is_played_without_names():
    game = OpenSpiel(num_envs=1, id="chess")

    assert game.spec.action_names == ()
    assert game.spec.num_actions == pyspiel.load_game("chess").num_distinct_actions()


def test_parameters_that_a_game_does_not_have_are_told():
    with pytest.raises(ConfigurationError, match=r"env\.id=tic_tac_toe cannot be made with"):
        load_game("tic_tac_toe", {"board_size": 5})


@pytest.mark.parametrize(
    ("id", "parameters", "sentence"),
    [
        ("go", {"board_size": 25}, "cannot be made with"),
        ("connect_four", {"rows": 0}, r"env\.game_parameters\.rows=0 is not allowed: it takes a whole number from 1"),
        ("hex", {"num_cols": -1}, r"env\.game_parameters\.num_cols=-1 is not allowed"),
        ("connect_four", {"rows": 10**10}, r"env\.game_parameters\.rows=10000000000 is not allowed"),
        ("connect_four", {"rows": [1]}, r"env\.game_parameters\.rows=\[1\] is not allowed: it takes a number"),
        ("go", {"handicap": 10**10}, "cannot be made with"),
    ],
)
def test_parameters_that_make_no_game_are_told(id, parameters, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        load_game(id, parameters)


def test_parameters_are_a_node():
    with pytest.raises(ConfigurationError, match=r"env\.game_parameters=3 is not allowed: it takes a node"):
        OpenSpiel(num_envs=1, id="go", game_parameters=3)


def test_boards_that_are_not_square_have_no_eight_symmetries():
    with pytest.raises(ConfigurationError, match="is for square boards"):
        OpenSpiel(num_envs=1, **CONNECT_FOUR | {"symmetries": "square"})
    with pytest.raises(ConfigurationError, match="is for boards"):
        OpenSpiel(num_envs=1, id="leduc_poker", symmetries="mirror")


def test_perfect_play_that_cannot_be_found_is_told_at_the_start(monkeypatch):
    with pytest.raises(ConfigurationError, match="for games without chance and secrets"):
        OpenSpiel(num_envs=1, id="kuhn_poker", eval_opponent="perfect")
    with pytest.raises(ConfigurationError, match="not found for go"):
        OpenSpiel(num_envs=1, eval_opponent="perfect", **GO)
    with pytest.raises(ConfigurationError, match="or 300 moves"):
        OpenSpiel(num_envs=1, id="hex", board_size=25, eval_opponent="perfect")
    monkeypatch.setattr("triptych.envs.matches.MOST_POSITIONS", 100)
    with pytest.raises(ConfigurationError, match="more than 100 positions"):
        OpenSpiel(num_envs=1, eval_opponent="perfect", **HEX)


def test_a_tree_search_does_not_look_at_cards():
    """With the middle of three cards it answers a bet alike, whatever the other holds."""
    bet, game = 1, pyspiel.load_game("kuhn_poker")
    answers = set()
    for other in (0, 2):
        for seed in range(20):
            state = game.new_initial_state()
            for action in (other, 1, bet):
                state.apply_action(action)
            answers.add(_tree_search(game, 100, seed).step(state))
    assert len(answers) == 1


@pytest.mark.parametrize("opponent", ["opponent", "eval_opponent"])
def test_a_tree_search_that_cannot_imagine_what_is_hidden_is_told(opponent):
    with pytest.raises(
        ConfigurationError, match="cannot play phantom_ttt: OpenSpiel does not give what its opponent may"
    ):
        OpenSpiel(num_envs=1, id="phantom_ttt", **{opponent: "search"})
    with pytest.raises(ConfigurationError, match="cannot play phantom_ttt"):
        OpenSpiel(num_envs=1, id="phantom_ttt").face("search", 10)


def test_a_game_that_the_opponent_would_end_at_once_begins_anew():
    """Nim with three stones, of which the last loses: whoever is second may find none left."""

    def nim(stones):
        return OpenSpiel("nim", 200, game_parameters={"pile_sizes": stones, "is_misere": True}, opponent="random")

    game = nim("3")
    observation, _ = game.reset(np.arange(200), np.ones(200, bool))
    assert game.spec.legal_actions(observation).any(axis=1).all()
    assert len({match.state.to_string() for match in game._matches[1::2]}) == 2  # two stones or one are left
    with pytest.raises(ConfigurationError, match="ends before there is a move to choose"):
        nim("1").reset(np.arange(200), np.ones(200, bool))


def test_rewards_add_up_where_one_player_is_paid_before_the_other():
    num_envs, generator = 20, np.random.default_rng(0)
    game = OpenSpiel("repeated_leduc_poker", num_envs)
    games = TwoSidedGames(game)
    games.start(np.arange(num_envs))
    first = [match.state.current_player() for match in game._matches]
    while not games.is_over.all():
        legal = game.spec.legal_actions(games.observation)
        games.play(np.array([generator.choice(np.flatnonzero(row)) if row.any() else 0 for row in legal]))
    returns = np.array([match.state.returns()[player] for match, player in zip(game._matches, first, strict=True)])
    assert games.outcome.tolist() == np.sign(returns).tolist()
    assert len(set(returns.tolist())) > 3


def test_rules_are_for_outcomes_that_a_planner_can_represent():
    assert OpenSpiel("cliff_walking", 1).spec.rules is None  # down to -100
    assert OpenSpiel(num_envs=1, **TIC_TAC_TOE).spec.rules is not None


def test_moves_are_cells_of_the_picture():
    def cells(**settings):
        return OpenSpiel(num_envs=1, **settings).spec.action_cells

    assert cells(**TIC_TAC_TOE) == ActionCells(3, 3, tuple(divmod(cell, 3) for cell in range(9)))
    assert cells(**CONNECT_FOUR) == ActionCells(6, 7, tuple((0, column) for column in range(7)))
    found = cells(**GO)
    assert (found.cells[7], found.cells[-1], len(found.cells)) == ((3, 2), None, 26)  # c2; the pass is no cell
    assert cells(id="leduc_poker") is None
    assert cells(id="breakthrough", player_planes=[0, 1]) is None  # a move goes from one cell to another


@pytest.mark.parametrize(
    ("settings", "action", "cell"), [(TIC_TAC_TOE, 5, (1, 2)), (CONNECT_FOUR, 3, (5, 3)), (GO, 7, (3, 2))]
)
def test_a_piece_is_drawn_where_the_move_was(settings, action, cell):
    game = OpenSpiel(num_envs=1, **settings)
    before, after = (frame for frame, _ in game.replay(0, [action]))
    rows, columns = np.nonzero((before != after).any(axis=-1))
    height, width = (size // count for size, count in zip(before.shape, game.spec.action_cells[:2], strict=False))
    assert {*(rows // height).tolist()} == {cell[0]}
    assert {*(columns // width).tolist()} == {cell[1]}

"""AlphaZero: how it plans by the rules, and what it learns from."""

import numpy as np
import pytest
import torch

from triptych.algos.alphazero import AlphaZero
from triptych.algos.muzero import MuZero, check_turns
from triptych.types import EVALUATE, EXPLORE, ConfigurationError, EnvSpec, Minibatch, Segment

pytest.importorskip("pyspiel")
from triptych.envs.openspiel import OpenSpiel

SETTINGS = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 5.0, "num_simulations": 60,
    "search": "gumbel", "max_num_considered_actions": 9, "dirichlet_alpha": 0.3, "dirichlet_fraction": 0.25,
    "temperature_start": 1.0, "temperature_end": 1.0, "temperature_decay_env_steps": 0, "discount": 1.0, "n_step": 9,
    "num_blocks": 1, "num_channels": 8, "value_coef": 0.5, "weight_average_decay": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def game():
    return OpenSpiel("tic_tac_toe", 1, player_planes=[2, 1], symmetries="square")


def make(game, **settings):
    return AlphaZero(game.spec, **SETTINGS | settings).eval()


def after(game, *actions):
    observation, _ = game.reset(np.array([0]), np.array([True]))
    for action in actions:
        game.send(np.array([action]))
        observation = game.receive().observation
    return torch.from_numpy(observation.copy())


@pytest.mark.parametrize("search", ["gumbel", "puct"])
class TestSearch:
    """A network that knows nothing: what is found is the search's own."""

    def test_it_wins_where_it_can(self, game, search):
        observation = after(game, 0, 3, 1, 4)  # the first row lacks its third
        output = make(game, search=search).plan(observation, 60, EVALUATE)
        assert output.action.tolist() == [2]
        assert output.search_tree.summary().value.item() > 0.2  # a mean over what was tried

    def test_it_does_not_let_the_other_win(self, game, search):
        observation = after(game, 0, 4, 1)  # the second player must take 2
        assert make(game, search=search, num_simulations=200).plan(observation, 200, EVALUATE).action.tolist() == [2]

    def test_a_lost_position_is_worth_less_than_nothing(self, game, search):
        observation = after(game, 0, 1, 3, 2, 4)  # 5, 6 and 8 all win for the first player
        value = make(game, search=search).plan(observation, 200, EVALUATE).search_tree.summary().value
        assert value.item() < -0.5

    def test_it_plays_nothing_that_is_not_allowed(self, game, search):
        module, observation = make(game, search=search, num_simulations=5), after(game, 0, 3, 1, 4)
        legal = game.spec.legal_actions(observation)[0]
        for _ in range(20):
            output = module.act(observation, EXPLORE)
            assert legal[output.action.item()]
            assert output.extras["action_weights"][0, ~legal].sum() == 0


def test_without_search_it_plays_the_policy(game):
    module, observation = make(game), after(game, 4)
    logits, _ = module.average_network(observation)
    assert module.act(observation, "evaluate_without_search").action.item() == logits.argmax().item()


def segment_of(observations, action_weights, reward, discount, value):
    size, length = len(observations), reward.shape[1]
    return Segment(
        observation=observations[:, None],
        action=torch.zeros(size, 1, dtype=torch.int64),
        reward=reward,
        discount=discount,
        value=value,
        action_weights=action_weights[:, None].expand(-1, 2, -1),
        is_step=torch.ones(size, length + 1, dtype=torch.bool),
        is_known=torch.ones(size, 2, dtype=torch.bool),
    )


def test_it_learns_who_won_and_what_the_search_said(game):
    """The loss beside one that is added up by hand, without symmetries."""
    spec = EnvSpec(**{**vars(game.spec), "symmetries": None})
    module = AlphaZero(spec, **SETTINGS | {"n_step": 3})
    torch.nn.init.normal_(module.network.policy.head.out.weight)
    torch.nn.init.normal_(module.network.value.head.out.weight)
    observations = torch.cat([after(game, 4), after(game, 0, 3, 1)])
    weights = torch.rand(2, 9, generator=torch.Generator().manual_seed(1)) * game.spec.legal_actions(observations)
    weights = weights / weights.sum(dim=1, keepdim=True)
    # Moves pass the turn: what the opponent wins two moves later the player wins, one move later loses.
    reward = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    discount = torch.tensor([[-1.0, 0.0, 1.0, 1.0], [-1.0, -1.0, 0.0, 1.0]])
    segment = segment_of(observations, weights, reward, discount, torch.zeros(2, 5))

    output = module.loss(Minibatch(segment, torch.tensor([1.0, 2.0])))

    logits, value = module.network(observations)
    log_probs = logits.log_softmax(-1)
    expected = 0.0
    for row, (outcome, weight) in enumerate([(-1.0, 1.0), (1.0, 2.0)]):
        policy = -sum(w * p for w, p in zip(weights[row], log_probs[row], strict=True) if w > 0)
        expected += weight * (policy + 0.5 * (outcome - value[row]) ** 2) / 2
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(output.priorities, (torch.tensor([-1.0, 1.0]) - value).abs())
    assert output.metrics["target_mean"].item() == 0


def test_the_search_value_stands_for_the_outcome_of_a_longer_game(game):
    module = make(game, n_step=1)
    reward, discount = torch.zeros(1, 2), torch.tensor([[-1.0, -1.0]])
    weights = torch.full((1, 9), 1 / 9)
    segment = segment_of(after(game), weights, reward, discount, torch.tensor([[0.0, 0.25, 0.0]]))
    assert module.loss(Minibatch(segment, torch.ones(1))).metrics["target_mean"].item() == pytest.approx(-0.25)


def test_a_turned_board_has_turned_targets(game):
    """Whatever symmetry is drawn, the weight on each cell stays on the cell that looks like it."""
    module, observation = make(game), after(game, 0, 4).repeat(64, 1)
    seen, legal = game.spec.see(observation), game.spec.legal_actions(observation)
    target = legal.float() * torch.arange(1.0, 10.0)
    corner = torch.zeros(64, 9)
    corner[:, 0] = 1.0  # the cell of the first player's piece

    turned, turned_legal, turned_corner = module._turn(seen, legal, corner)
    _, _, turned_target = module._turn(seen, legal, target)

    first = turned[:, 2].flatten(1)  # the first player is to move: the pieces on plane 2 are the player's own
    assert torch.equal(first, turned_corner)
    assert len(turned_corner.argmax(dim=1).unique()) == 4  # a corner comes to all four
    assert torch.equal(turned_legal, turned[:, 0].flatten(1).bool())  # plane 0: empty cells
    assert torch.equal(turned_target.sort(dim=1).values, target.sort(dim=1).values)


def test_who_cannot_plan_by_rules_is_told():
    poker = OpenSpiel("kuhn_poker", 1)
    with pytest.raises(ConfigurationError, match="players have secrets"):
        AlphaZero.check(poker.spec)
    with pytest.raises(ConfigurationError, match="players have secrets"):
        MuZero.check(poker.spec)
    with pytest.raises(ConfigurationError, match="gives none; choose env=tic_tac_toe"):
        AlphaZero.check(EnvSpec("catch", "none", (1, 10, 10), "uint8", num_actions=3, pixel_max=255.0))


def muzero(game, **own):
    settings = SETTINGS | {
        "unroll_steps": 1, "value_support_limit": 1.0, "num_value_bins": 21,
        "reward_support_limit": 1.0, "num_reward_bins": 11,
        "representation": "nature", "reward_coef": 1.0, "num_observations": 1, "consistency_coef": 0.0,
        "value_prefix": False, "reanalyse_fraction": 0.0, "augmentation": False,
    }  # fmt: skip
    for name in ("num_blocks", "num_channels", "weight_average_decay"):
        del settings[name]
    return MuZero(game.spec, **settings | own)


def test_muzero_searches_against_an_opponent(game):
    module = muzero(game)
    assert module.search_discount == -1.0
    observation = after(game, 0, 3)
    for _ in range(5):
        assert module.act(observation).action.item() not in (0, 3)


def test_what_muzero_sets_out_from_is_allowed(game):
    explanation = muzero(game).explain(after(game, 0, 3))
    assert explanation.prior_probs[0, [0, 3]].tolist() == [0, 0]
    assert float(explanation.prior_probs.sum()) == pytest.approx(1)


def test_reanalysis_passes_over_the_end_of_a_game(game):
    """Where a game is over nothing is allowed: there is nothing to search from, and nothing to find."""
    module = muzero(game, reanalyse_fraction=1.0, num_observations=3, n_step=1, num_simulations=4)
    before, over = after(game, 0, 3, 1, 4), after(game, 0, 3, 1, 4, 2)
    assert not module.spec.legal_actions(over).any()
    segment = segment_of(
        before, torch.full((1, 9), 1 / 9), torch.ones(1, 2), torch.tensor([[0.0, 1.0]]), torch.ones(1, 3)
    )
    is_step = torch.tensor([[True, False, False]])
    value = torch.tensor([[5.0, 0.0, 0.0]])
    segment = segment._replace(observation=torch.stack([before, over, over], dim=1), is_step=is_step, value=value)
    found = module._reanalyse(segment)
    assert abs(float(found.value[0, 0])) <= 1
    assert found.value[0, 1:].tolist() == [0, 0]
    assert found.action_weights[0, 0, [0, 1, 3, 4]].tolist() == [0, 0, 0, 0]


def test_muzero_refuses_games_in_which_one_may_move_twice(game):
    reward, discount = torch.zeros(1, 2), torch.tensor([[-1.0, -1.0]])
    segment = segment_of(after(game), torch.full((1, 9), 1 / 9), reward, discount, torch.zeros(1, 3))
    check_turns(game.spec, segment)
    check_turns(game.spec, segment._replace(discount=torch.tensor([[-1.0, 0.0]])))
    with pytest.raises(ConfigurationError, match="one may move twice"):
        check_turns(game.spec, segment._replace(discount=torch.tensor([[-1.0, 1.0]])))

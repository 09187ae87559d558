"""How the data module asks its actor, and what a trainer plays with it."""

from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.fakes import ScriptedGame, is_equal, random_script
from triptych.data.datamodule import EnvironmentDataModule, TurnDataset
from triptych.data.evaluation import EvaluationPlan
from triptych.data.turns import Turn
from triptych.types import EVALUATE, EXPLORE, ActorOutput, EmptyTurn


class PlainActor:
    """Knows one way to play and is not told of others."""

    def __init__(self):
        self.calls = []

    def act(self, observation, *more):
        self.calls.append(more)
        assert not torch.is_grad_enabled()
        return ActorOutput(torch.zeros(len(observation), dtype=torch.int64), {"value": observation.flatten(1).sum(1)})


class Planner(PlainActor):
    evaluation_modes = (EVALUATE, f"{EVALUATE}_without_search")


class Data(EnvironmentDataModule):
    def play_turn(self):
        self.clock.turns += 1
        return self.clock.turns


def make_data(actor, tmp_path, total_frames=40):
    game = ScriptedGame(random_script, is_image=False)
    data = Data(
        lambda num_envs: ScriptedGame(random_script, num_envs, is_image=False, may_be_cut=True, shows_seed=True),
        actor,
        game.spec,
        seed=0,
        num_envs=2,
        turn=Turn(1, 2, 1),
        total_frames=total_frames,
        evaluation=EvaluationPlan(period_frames=16, episodes=3, final_episodes=4),
        directory=tmp_path,
    )
    data.trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    return data


def test_an_actor_that_knows_ways_to_play_is_told_which_and_a_plain_one_is_not(tmp_path):
    for actor, told in ((PlainActor(), [(), ()]), (Planner(), [(EXPLORE,), (EVALUATE,)])):
        data = make_data(actor, tmp_path)
        observation = np.ones((2, 5), np.float32)
        action, extras = data.act(observation)
        data.act(observation, EVALUATE)
        assert actor.calls == told
        assert action.tolist() == [0, 0]
        assert extras["value"].tolist() == [5, 5]
        assert isinstance(extras["value"], np.ndarray)


def test_training_explores_and_each_evaluation_is_played_in_every_mode(tmp_path):
    actor = Planner()
    data = make_data(actor, tmp_path)
    data.collector.receive()
    assert actor.calls == [(EXPLORE,)]
    actor.calls.clear()
    results = list(data.val_dataloader())
    assert [result.mode for result in results] == list(Planner.evaluation_modes)
    assert [len(result.returns) for result in results] == [3, 3]
    assert list(dict.fromkeys(actor.calls)) == [(mode,) for mode in Planner.evaluation_modes]


def test_a_plain_actor_is_evaluated_once(tmp_path):
    (result,) = make_data(PlainActor(), tmp_path).test_dataloader()
    assert result.mode == EVALUATE
    assert len(result.returns) == 4


def test_a_validation_is_noted_on_the_clock_and_a_test_is_not(tmp_path):
    data = make_data(PlainActor(), tmp_path)
    data.clock.turns = 4
    list(data.test_dataloader())
    assert data.clock.owes_evaluation
    list(data.val_dataloader())
    assert not data.clock.owes_evaluation


def test_an_epoch_is_as_long_as_it_was_when_it_began(tmp_path):
    data = make_data(PlainActor(), tmp_path)
    dataset = TurnDataset(data)
    assert len(dataset) == 4
    assert list(dataset) == [1, 2, 3, 4]
    assert len(dataset) == 1
    assert list(dataset) == [EmptyTurn(8)]  # the evaluation is owed
    data.clock.evaluated_turns = 4
    assert list(dataset) == [5, 6, 7, 8]


def test_the_environments_are_closed_after_training_and_their_episodes_go_on(tmp_path):
    data = make_data(PlainActor(), tmp_path)
    for _ in range(30):
        data.collector.receive()
    game, state = data.collector.game, data.collector.state_dict()
    data.teardown("validate")
    assert not game.is_closed
    data.teardown("fit")
    assert game.is_closed
    assert is_equal(data.state_dict()["collector"], state)
    assert data.collector.game is not game
    assert is_equal(data.collector.state_dict(), state)


@pytest.mark.parametrize("keyword", ["clip_rewards", "life_loss_is_terminal"])
def test_the_protocol_reaches_the_collector(tmp_path, keyword):
    data = make_data(PlainActor(), tmp_path)
    setattr(data, keyword, True)
    flags = SimpleNamespace(clip_rewards=False, life_loss_is_terminal=False)
    setattr(flags, keyword, True)
    assert data.collector.clip_rewards == flags.clip_rewards
    assert data.collector.life_loss_is_terminal == flags.life_loss_is_terminal

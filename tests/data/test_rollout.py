import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.fakes import Script, ScriptedGame, label, random_script
from triptych.algos.hidden_states import HiddenStates
from triptych.callbacks.finish import Finish
from triptych.data.evaluation import EvaluationPlan
from triptych.data.reward_scaling import RewardScaling
from triptych.data.rollout import RolloutDataModule, SequenceDataModule
from triptych.data.room import check_room
from triptych.envs.atari import Atari
from triptych.types import EVALUATE, EXPLORE, ActorOutput, ConfigurationError, EmptyTurn, Rollout, RunInterrupted


class Actor(pl.LightningModule):
    """Its one parameter counts the turns learnt from; it keeps what it saw and did."""

    evaluation_modes = (EVALUATE,)

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.parameter = torch.nn.Parameter(torch.zeros(()), requires_grad=False)
        self.acted_with, self.rollouts, self.evaluated_at = [], [], []

    def configure_optimizers(self):
        return None

    def act(self, observation, mode):
        if mode == EXPLORE:
            self.acted_with.append(int(self.parameter))
        value = observation.flatten(1).float().sum(dim=1)
        return ActorOutput(torch.zeros(len(observation), dtype=torch.int64), {"value": value})

    def training_step(self, batch, batch_index):
        self.rollouts.append(batch)
        self.parameter += 1

    def validation_step(self, result, batch_index):
        self.evaluated_at.append(self.trainer.datamodule.clock.env_steps)


def make_data(actor, make_game, tmp_path, **settings):
    probe = make_game(1)
    probe.close()
    plan = EvaluationPlan(period_frames=2 * 1000, episodes=2, final_episodes=2)._replace(**settings.pop("plan", {}))
    settings = {
        "seed": 0, "num_envs": 3, "rollout_length": 4, "discount": 0.9, "total_frames": 2 * 60,
        "directory": tmp_path,
    } | settings  # fmt: skip
    kind = settings.pop("kind", RolloutDataModule)
    return kind(make_game, actor, probe.spec, evaluation=plan, **settings)


def scripted(num_envs):
    return ScriptedGame(random_script, num_envs, frame_stack=2, may_be_cut=True)


def again(num_envs):
    return ScriptedGame(random_script, num_envs, frame_stack=2, may_be_cut=True, shows_seed=True)


def fit(actor, data, tmp_path):
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[Finish(10**9, None)], logger=False, default_root_dir=tmp_path,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )  # fmt: skip
    trainer.fit(actor, datamodule=data)
    return actor.rollouts


def train(tmp_path, make_game=scripted, **settings):
    actor = Actor()
    data = make_data(actor, make_game, tmp_path, **settings)
    return fit(actor, data, tmp_path), actor, data


def test_a_rollout_is_played_with_the_parameters_after_the_turn_before(tmp_path):
    _, actor, data = train(tmp_path, plan={"period_frames": 2 * 24})
    assert actor.acted_with == [turn for turn in range(5) for _ in range(4)]
    assert actor.evaluated_at == [24, 48, 60]
    assert data.clock.env_steps == 60


def test_shapes_types_and_the_clock(tmp_path):
    rollouts, _, data = train(tmp_path, num_epochs=2, num_minibatches=3)
    rollout = rollouts[-1]
    assert isinstance(rollout, Rollout)
    assert rollout.observation.shape == rollout.next_observation.shape == (4, 3, 2, 1, 5)
    scalars = (rollout.action, rollout.reward, rollout.discount, rollout.is_last, rollout.extras["value"])
    assert all(field.shape == (4, 3) for field in (*scalars, rollout.is_first))
    assert [field.dtype for field in scalars[:4]] == [torch.int64, torch.float32, torch.float32, torch.bool]
    assert rollout.rows.shape == (6, 4)
    assert [rollout.env_steps for rollout in rollouts] == [12, 24, 36, 48, 60]
    assert data.clock.turn == (4, 12, 6)


def test_each_epoch_shares_all_rows_in_a_new_order(tmp_path):
    rollouts, _, _ = train(tmp_path, num_epochs=3, num_minibatches=2)
    epochs = [rows for rollout in rollouts for rows in rollout.rows.view(3, 12).tolist()]
    assert all(sorted(rows) == list(range(12)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == len(epochs)


def test_steps_follow_each_other_and_ends_are_told(tmp_path):
    rollouts, _, _ = train(tmp_path, total_frames=2 * 600)
    ends = 0
    columns = [torch.cat([getattr(r, name) for r in rollouts]) for name in Rollout._fields[:6]]
    observation, _, reward, discount, is_last, next_observation = columns
    for env in range(3):
        for time in range(len(reward)):
            now, then = label(observation[time, env]), label(next_observation[time, env])
            script = random_script(0, 0, episode_seed_of(now))
            assert then == now._replace(time=now.time + 1)
            assert float(reward[time, env]) == pytest.approx(script.rewards[now.time])
            is_end = then.time == len(script.rewards)
            assert bool(is_last[time, env]) == is_end
            worthless = is_end and script.end != "truncated"
            assert float(discount[time, env]) == pytest.approx(0.0 if worthless else 0.9)
            if time + 1 < len(reward):
                following = label(observation[time + 1, env])
                assert following == ((env, now.episode_index + 1, 0) if is_end else then)
            ends += is_end
    assert ends > 50


def episode_seed_of(now):
    from triptych.collect.collector import episode_seed

    return episode_seed(0, now.env_index, now.episode_index)


def test_a_rollout_knows_where_its_rows_are_cut(tmp_path):
    rollouts, _, _ = train(tmp_path)
    for rollout in rollouts:
        assert rollout.is_cut[-1].all()
        assert rollout.is_cut[:-1].tolist() == rollout.is_last[:-1].tolist()


def test_flattened_steps_stay_together(tmp_path):
    rollout = train(tmp_path)[0][-1]
    target = torch.arange(12.0).view(4, 3)
    steps = rollout.steps(target, -target)
    rows = torch.tensor([7, 0, 11])
    found = steps.at(rows)
    assert found.target.tolist() == [7, 0, 11]
    assert found.advantage.tolist() == [-7, 0, -11]
    assert found.is_known.tolist() == [True, True, True]
    known = rollout.steps(target, is_known=target != 7).at(rows)
    assert known.is_known.tolist() == [False, True, True]
    assert known.advantage.tolist() == [0, 0, 0]
    for index, row in enumerate(rows.tolist()):
        time, env = divmod(row, 3)
        assert found.observation[index].tolist() == rollout.observation[time, env].tolist()
        assert found.extras["value"][index] == rollout.extras["value"][time, env]


def test_extras_are_of_the_observation_beside_them(tmp_path):
    for rollout in train(tmp_path)[0]:
        expected = rollout.observation.flatten(2).float().sum(dim=2)
        assert rollout.extras["value"].tolist() == expected.tolist()


def test_rewards_are_scaled_only_where_asked(tmp_path):
    plain, scaled = (train(tmp_path, normalize_rewards=flag)[0] for flag in (False, True))
    for first, second in zip(plain[1:], scaled[1:], strict=True):
        ratio = (second.reward / first.reward)[first.reward != 0]
        assert not torch.allclose(ratio, torch.ones_like(ratio))
    scaling = RewardScaling(plain[0].reward.shape[1], 0.9)
    for first, second in zip(plain, scaled, strict=True):
        rows = zip(*(field.numpy() for field in (first.reward, first.is_first, first.is_last)), strict=True)
        assert second.reward.tolist() == [scaling(*row).tolist() for row in rows]


def test_observations_of_real_games_are_not_overwritten_by_later_ones(tmp_path):
    def make_game(num_envs):
        return Atari(
            "pong", num_envs, protocol="nature", full_action_space=False, frame_skip=4, frame_stack=4, image_size=84,
            repeat_action_prob=0.0, noop_max=30, fire_on_reset=False, max_frames_per_episode=400,
        )  # fmt: skip

    rollouts, _, _ = train(tmp_path, make_game, rollout_length=40, total_frames=4 * 240, plan={"episodes": 1})
    for rollout in rollouts:
        for time in range(39):
            moved = ~rollout.is_last[time]
            assert torch.equal(rollout.next_observation[time][moved], rollout.observation[time + 1][moved])
            stack, next_stack = rollout.observation[time], rollout.next_observation[time]
            assert torch.equal(stack[:, 1:], next_stack[:, :-1])
    assert len(torch.unique(rollouts[0].observation.flatten(2).sum(dim=2))) > 10


def test_a_run_goes_on_from_what_was_saved(tmp_path):
    first, _, before = train(tmp_path, total_frames=2 * 24, num_minibatches=2)
    actor = Actor()
    after = make_data(actor, scripted, tmp_path, num_minibatches=2)
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    rollouts = fit(actor, after, tmp_path)
    assert [rollout.env_steps for rollout in rollouts] == [36, 48, 60]
    whole = train(tmp_path, num_minibatches=2)[0]
    assert [r.rows.tolist() for r in [*first, *rollouts]] == [r.rows.tolist() for r in whole]


class StopAt(Actor):
    """Asks the run to stop after its second turn."""

    def training_step(self, batch, batch_index):
        super().training_step(batch, batch_index)
        self.trainer.datamodule.is_stopping = len(self.rollouts) == 2


@pytest.mark.parametrize("rollout_length", [1, 4])
def test_a_run_that_is_stopped_before_a_rollout_goes_on_with_it(rollout_length, tmp_path):
    settings = {"rollout_length": rollout_length, "total_frames": 2 * 3 * rollout_length * 5}
    whole = train(tmp_path, again, **settings)[0]
    actor = StopAt()
    before = make_data(actor, again, tmp_path, **settings)
    with pytest.raises(RunInterrupted):
        fit(actor, before, tmp_path)
    state = before.state_dict()
    after = make_data(Actor(), again, tmp_path, **settings)
    after.load_state_dict(state)
    rollouts = [*actor.rollouts, *fit(after.actor, after, tmp_path)]
    assert [rollout.env_steps for rollout in rollouts] == [rollout.env_steps for rollout in whole]
    assert all(torch.equal(one.observation, other.observation) for one, other in zip(rollouts, whole, strict=True))


def test_an_owed_evaluation_is_played_in_an_empty_turn(tmp_path):
    _, _, before = train(tmp_path, total_frames=2 * 24)
    state = before.state_dict() | {"evaluated_turns": 0}
    actor = Actor()
    after = make_data(actor, scripted, tmp_path, total_frames=2 * 24)
    after.load_state_dict(state)
    assert fit(actor, after, tmp_path) == [EmptyTurn(24)]
    assert actor.evaluated_at == [24]
    assert actor.acted_with == []


def test_uneven_minibatches_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"algo.num_minibatches=5 .* env.num_envs=3 .* = 12 env steps"):
        make_data(Actor(), scripted, tmp_path, num_minibatches=5)


def test_minibatches_of_sequences_share_the_environments(tmp_path):
    actor = Actor()
    data = make_data(actor, scripted, tmp_path, kind=SequenceDataModule, num_envs=4, num_epochs=3, num_minibatches=2)
    rollouts = fit(actor, data, tmp_path)
    assert data.clock.turn == (4, 16, 6)
    for rollout in rollouts:
        assert rollout.rows.shape == (6, 2)
        assert [sorted(epoch.flatten().tolist()) for epoch in rollout.rows.view(3, 2, 2)] == [[0, 1, 2, 3]] * 3
    assert len({tuple(rollout.rows.flatten().tolist()) for rollout in rollouts}) > 1
    sequences = rollouts[-1].sequences(rollouts[-1].reward, rollouts[-1].reward).at(torch.tensor([2, 0]))
    assert [label(one).env_index for one in sequences.observation[0]] == [2, 0]
    torch.testing.assert_close(sequences.extras["value"], rollouts[-1].extras["value"][:, [2, 0]])
    with pytest.raises(ConfigurationError, match=r"num_minibatches=2 does not divide .* env.num_envs=3; choose"):
        make_data(Actor(), scripted, tmp_path, kind=SequenceDataModule, num_minibatches=2)


def test_a_first_observation_follows_the_end_of_an_episode(tmp_path):
    rollouts, _, _ = train(tmp_path)
    is_first = torch.cat([rollout.is_first for rollout in rollouts])
    times = torch.cat([rollout.observation for rollout in rollouts])
    assert is_first[0].all()
    assert is_first.tolist() == [[label(one).time == 0 for one in row] for row in times]
    assert 0 < int(is_first[1:].sum()) < is_first[1:].numel()


class RememberingActor(Actor):
    """Counts the steps of each environment's episode, which is all that it remembers."""

    def __init__(self):
        super().__init__()
        self.hidden_states, self.seen, self.on_act = HiddenStates(1), [], lambda: None

    def begin_episodes(self, is_first, mode):
        self.hidden_states.begin_episodes(is_first, mode)

    def act(self, observation, mode):
        state = self.hidden_states.of(mode, len(observation))
        self.hidden_states.keep(mode, state + 1)
        self.seen += [(mode, label(one).time, int(count)) for one, count in zip(observation, state, strict=True)]
        self.on_act()
        return super().act(observation, mode)


def test_whoever_plays_says_where_episodes_begin(tmp_path):
    actor = RememberingActor()
    fit(actor, make_data(actor, scripted, tmp_path, plan={"period_frames": 2 * 24, "episodes": 5}), tmp_path)
    assert {mode for mode, _, _ in actor.seen} == {EXPLORE, EVALUATE}
    assert all(time == count for _, time, count in actor.seen)


def test_a_rollout_that_is_forgotten_is_no_longer_remembered(tmp_path):
    actor = RememberingActor()
    data = make_data(actor, scripted, tmp_path)
    fit(actor, data, tmp_path)  # which leaves the trainer
    before, num_seen = actor.hidden_states.state_dict(), len(actor.seen)
    actor.on_act = lambda: setattr(data, "is_stopping", len(actor.seen) >= num_seen + 2 * 3)
    with pytest.raises(RunInterrupted):
        data.play_turn()
    assert len(actor.seen) == num_seen + 2 * 3
    torch.testing.assert_close(actor.hidden_states.state_dict(), before)


def test_a_long_episode_over_many_rollouts_is_cut_by_none(tmp_path):
    def make_game(num_envs):
        return ScriptedGame(lambda *_: Script(np.arange(100.0)), num_envs, frame_stack=2)

    rollouts, _, _ = train(tmp_path, make_game)
    assert not any(rollout.is_last.any() for rollout in rollouts)
    assert [r.reward[:, 0].tolist() for r in rollouts] == [[4.0 * k + i for i in range(4)] for k in range(5)]


def test_a_rollout_larger_than_the_memory_is_refused_with_the_largest_that_fits(tmp_path):
    data = make_data(Actor(), scripted, tmp_path)
    nbytes = 3 * 4 * data.num_envs * int(np.prod(data.spec.observation_shape))  # uint8, three copies of four steps
    room = {"memory": nbytes, "disk": 0, "device": 0}
    check_room(data.needs(100), room)
    with pytest.raises(ConfigurationError, match=r"algo\.rollout_length=4 .* of memory.* algo\.rollout_length=3\."):
        check_room(data.needs(100), room | {"memory": nbytes - 1})

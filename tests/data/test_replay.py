import dataclasses

import pytest
import pytorch_lightning as pl
import torch

import tests.goal_env  # noqa: F401  (registers them)
from tests.fakes import Script, ScriptedGame, is_equal, label, random_script
from tests.front_door import train
from triptych.callbacks.finish import Finish
from triptych.data.evaluation import EvaluationPlan
from triptych.data.replay import ReplayDataModule
from triptych.data.room import check_room
from triptych.envs.gymnasium import Gymnasium
from triptych.replay.buffer import ReplayBuffer
from triptych.replay.hindsight import HindsightBuffer
from triptych.types import EVALUATE, EXPLORE, ActorOutput, ConfigurationError, EmptyTurn, ReplayBatch, RunInterrupted

REPLAY = {
    "capacity_env_steps": 400,
    "n_step": 3,
    "discount": 0.9,
    "storage": "memory",
    "prioritized": False,
}


class Actor(pl.LightningModule):
    """Its one parameter counts the turns learnt from; it keeps what it saw and did."""

    evaluation_modes = (EVALUATE,)

    def __init__(self, priority_of=None):
        super().__init__()
        self.automatic_optimization = False
        self.parameter = torch.nn.Parameter(torch.zeros(()), requires_grad=False)
        self.priority_of = priority_of
        self.acted_with, self.batches, self.evaluated_at, self.returns = [], [], [], []

    def configure_optimizers(self):
        return None

    def act(self, observation, mode):
        assert not torch.is_grad_enabled()
        if mode == EXPLORE:
            self.acted_with.append(int(self.parameter))
        return ActorOutput(torch.zeros(len(observation), dtype=torch.int64), {})

    def training_step(self, batch, batch_index):
        self.batches.append(batch)
        if self.priority_of is not None and not isinstance(batch, EmptyTurn) and len(batch.weight):
            self.trainer.datamodule.update_priorities(self.priority_of(batch))
        self.parameter += 1

    def validation_step(self, result, batch_index):
        assert result.mode == EVALUATE
        self.evaluated_at.append(self.trainer.datamodule.clock.env_steps)
        self.returns.append(result.returns.tolist())

    test_step = validation_step


class Games:
    """Makes games and keeps them."""

    def __init__(self, make=None):
        again = {"may_be_cut": True, "shows_seed": True}  # so that a run may go on from running episodes
        self.make = make or (lambda num_envs: ScriptedGame(random_script, num_envs, frame_stack=2, **again))
        self.made = []

    def __call__(self, num_envs):
        self.made.append(self.make(num_envs))
        return self.made[-1]


@pytest.fixture
def make_data(tmp_path):
    def make(actor, games=None, **settings):
        games = games or Games()
        probe = games.make(1)
        probe.close()
        replay = REPLAY | settings.pop("replay", {})
        plan = EvaluationPlan(period_frames=2 * 1000, episodes=3, final_episodes=4)
        plan = plan._replace(**settings.pop("plan", {}))
        settings = {
            "seed": 0, "num_envs": 2, "batch_size": 5, "env_steps_per_update": 4,
            "learning_starts_env_steps": 0,
            "total_frames": 2 * 40,
        } | settings  # fmt: skip
        return ReplayDataModule(
            games, actor, probe.spec, replay=replay, evaluation=plan, directory=tmp_path, **settings
        )

    return make


def test_a_replay_of_which_only_the_size_is_said_is_in_memory(make_data):
    data = make_data(Actor())
    short = type(data)(
        data.make_game, data.actor, data.spec, replay={"capacity_env_steps": 40, "n_step": 1, "discount": 0.9},
        evaluation=data.plan, directory=data.directory, seed=0, num_envs=2, batch_size=5, env_steps_per_update=4,
        learning_starts_env_steps=0, total_frames=80,
    )  # fmt: skip
    assert "in memory" in short.describe()["replay"]


def make_trainer(tmp_path):
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        callbacks=[Finish(10**9, None)],
        logger=False,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )


@pytest.fixture
def fit(tmp_path):
    def fit(actor, data):
        trainer = make_trainer(tmp_path)
        trainer.fit(actor, datamodule=data)
        return trainer

    return fit


@pytest.mark.parametrize("period_frames", [2 * 4, 2 * 12, 2 * 1000])
def test_actions_of_a_turn_use_the_parameters_after_the_turn_before(make_data, fit, period_frames):
    actor = Actor()
    data = make_data(actor, plan={"period_frames": period_frames})
    assert data.clock.turn == (2, 4, 1)
    fit(actor, data)
    # The very first actions are chosen before the first turn's own two.
    assert actor.acted_with == [0] + [turn for turn in range(10) for _ in range(2)]


def test_no_turn_is_played_ahead(make_data, fit):
    class Watching(Actor):
        def training_step(self, batch, batch_index):
            super().training_step(batch, batch_index)
            turns_played.append(self.trainer.datamodule.clock.turns)

    turns_played, actor = [], Watching()
    fit(actor, make_data(actor, plan={"period_frames": 2 * 12}))
    assert turns_played == list(range(1, 11))


@pytest.mark.parametrize(("num_envs", "env_steps_per_update"), [(1, 4), (3, 4), (4, 1), (4, 0.5)])
def test_updates_per_turn_and_their_shapes(make_data, fit, num_envs, env_steps_per_update):
    actor = Actor()
    data = make_data(actor, num_envs=num_envs, env_steps_per_update=env_steps_per_update, total_frames=2 * 48)
    fit(actor, data)
    batch = actor.batches[-1]
    assert isinstance(batch, ReplayBatch)
    leading = (data.clock.turn.updates, 5)
    assert batch.weight.shape == leading
    assert [tuple(field.shape) for field in batch.sample] == [
        (*leading, 2, 1, 5), leading, leading, leading, (*leading, 2, 1, 5)
    ]  # fmt: skip
    assert [str(field.dtype)[6:] for field in batch.sample] == [
        "uint8",
        "int64",
        "float32",
        "float32",
        "uint8",
    ]
    assert batch.env_steps == data.clock.env_steps == 48
    assert data.clock.frames == data.clock.total_frames == 96


@pytest.mark.parametrize("learning_starts", [8, 9, 12])
def test_turns_before_learning_starts_carry_no_update(make_data, fit, learning_starts):
    actor = Actor()
    fit(actor, make_data(actor, learning_starts_env_steps=learning_starts))
    updates = {batch.env_steps: len(batch.weight) for batch in actor.batches}
    assert updates == {env_steps: int(env_steps >= learning_starts) for env_steps in range(4, 41, 4)}
    warm_up = actor.batches[0]
    assert all(len(field) == 0 for field in (*warm_up.sample, warm_up.weight))


def test_a_turn_without_a_closed_window_carries_no_update(make_data, fit):
    actor = Actor()
    games = Games(lambda num_envs: ScriptedGame(lambda *_: Script([0.0] * 150), num_envs, frame_stack=2))
    data = make_data(actor, games, num_envs=1, env_steps_per_update=1, replay={"n_step": 4}, plan={"episodes": 1})
    fit(actor, data)
    assert [len(batch.weight) for batch in actor.batches[:6]] == [0, 0, 0, 1, 1, 1]


def test_warm_up_batches_have_the_types_of_later_ones(make_data, fit):
    for make_game in (Games().make, lambda num_envs: ScriptedGame(random_script, num_envs, is_image=False)):
        actor = Actor()
        fit(actor, make_data(actor, Games(make_game), learning_starts_env_steps=12))
        first, last = actor.batches[0], actor.batches[-1]
        assert [field.dtype for field in first.sample] == [field.dtype for field in last.sample]
        assert [field.shape[2:] for field in first.sample] == [field.shape[2:] for field in last.sample]


@pytest.mark.parametrize(
    ("total", "period", "expected"), [(40, 16, [16, 32, 40]), (40, 40, [40]), (38, 13, [16, 32, 40])]
)
def test_no_evaluation_is_lost(make_data, fit, total, period, expected):
    actor = Actor()
    fit(actor, make_data(actor, total_frames=2 * total, plan={"period_frames": 2 * period}))
    assert actor.evaluated_at == expected
    assert len(actor.batches) == 10


def test_an_evaluation_plays_the_same_fresh_episodes_every_time(make_data, fit):
    games, actor = Games(), Actor()
    data = make_data(actor, games, plan={"period_frames": 2 * 16, "num_envs": 2})
    trainer = fit(actor, data)
    training, *evaluations = games.made
    assert training.num_envs == 2
    assert all(game.is_closed for game in games.made)
    assert len(evaluations) == 3
    assert len({str(game.seeds) for game in evaluations}) == 1
    assert actor.returns[0] == actor.returns[1] == actor.returns[2]
    assert len(actor.returns[0]) == 3
    trainer.test(actor, datamodule=data, verbose=False)
    assert len(actor.returns[3]) == 4
    seeds = [{seed for env in game.seeds for seed in env} - {0} for game in (training, evaluations[0], games.made[-1])]
    assert seeds[0].isdisjoint(seeds[1])
    assert seeds[0].isdisjoint(seeds[2])
    assert seeds[1].isdisjoint(seeds[2])


def test_returns_of_an_evaluation_are_whole_whatever_training_clips(make_data, fit):
    actor = Actor()
    data = make_data(actor, clip_rewards=True, life_loss_is_terminal=True)
    fit(actor, data)
    expected = [sum(random_script(0, 0, episode.seed).rewards) for episode in data.evaluator.episodes]
    assert actor.returns[-1] == pytest.approx(expected, abs=1e-5)
    rewards = torch.cat([batch.sample.reward.flatten() for batch in actor.batches])
    assert {round(float(reward), 6) for reward in rewards} <= {
        round(a + 0.9 * b + 0.81 * c, 6) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)
    }


def test_without_replay_every_update_learns_from_the_newest_transitions(make_data, fit):
    actor = Actor()
    data = make_data(actor, replay={"n_step": 1, "capacity_env_steps": None}, batch_size=4, env_steps_per_update=2)
    assert data.clock.turn == (1, 2, 1)  # two transitions a turn, so that a batch of four is that of two turns
    assert data.describe() == {"replay": "none, every update learns from the 4 newest transitions"}
    fit(actor, data)
    drawn = [{label(observation) for observation in batch.sample.observation[0]} for batch in actor.batches[1:]]
    assert len(drawn) > 10
    for position, labels in enumerate(drawn):
        assert len(labels) == 4
        assert len(labels - set().union(*drawn[:position])) == (2 if position else 4)
        assert all(labels.isdisjoint(one) for one in drawn[: max(position - 1, 0)])


def test_rewards_that_a_support_cannot_hold_end_the_run_with_what_was_seen(make_data, fit):
    actor = Actor()
    actor.largest_return = 0.5
    with pytest.raises(ConfigurationError, match=r"algo\.support_limit=0\.5 is too small.* came to -?\d"):
        fit(actor, make_data(actor))


def test_evaluation_alone_makes_neither_replay_nor_training_environments(make_data, tmp_path):
    games, actor = Games(), Actor()
    data = make_data(actor, games, replay={"storage": "disk"}, plan={"num_envs": 1})
    make_trainer(tmp_path).validate(actor, datamodule=data, verbose=False)
    assert [game.num_envs for game in games.made] == [1]
    assert not (tmp_path / "ring.bin").exists()


def test_episodes_that_ended_are_handed_over_once(make_data, fit):
    actor = Actor()
    data = make_data(actor)
    fit(actor, data)
    episodes = data.take_ended_episodes()
    assert sum(episode.length for episode in episodes) <= 40
    assert [episode.frames for episode in episodes] == sorted(episode.frames for episode in episodes)
    assert len(episodes) > 3
    assert data.take_ended_episodes() == []


def test_priorities_decide_what_the_next_turns_draw(make_data, fit):
    def priority_of(batch):
        is_favourite = batch.sample.observation[..., -1, 0, 0] == 0  # environment 0 wrote the frame
        return torch.where(is_favourite, 1e3, 1e-6)

    drawn = {}
    for prioritized in (True, False):
        actor = Actor(priority_of)
        replay = {"prioritized": prioritized, "priority_exponent": 1.0}
        fit(actor, make_data(actor, replay=replay, batch_size=50, learning_starts_env_steps=36))
        env_index = actor.batches[-1].sample.observation[..., -1, 0, 0]
        drawn[prioritized] = float((env_index == 0).float().mean())
    assert drawn[True] > 0.9
    assert 0.2 < drawn[False] < 0.8


def test_vector_observations_go_the_same_way(make_data, fit):
    actor = Actor()
    games = Games(lambda num_envs: Gymnasium("CartPole-v1", num_envs))
    fit(actor, make_data(actor, games, total_frames=100, plan={"period_frames": 1000}, replay={"n_step": 1}))
    transition = actor.batches[-1].sample
    assert transition.observation.shape == (1, 5, 4)
    assert transition.observation.dtype == torch.float32
    assert transition.reward.eq(1).all()
    # Action 0 pushes to the left: the cart's velocity falls in every transition.
    assert (transition.next_observation[..., 1] < transition.observation[..., 1]).all()
    # The cart moves by its velocity in 0.02 s, so both belong to the same episode.
    moved = transition.next_observation[..., 0] - transition.observation[..., 0]
    torch.testing.assert_close(moved, 0.02 * transition.observation[..., 1])


def test_a_run_goes_on_from_what_was_saved(make_data, fit):
    games = Games(lambda num_envs: ScriptedGame(random_script, num_envs, frame_stack=2))
    before, actor = make_data(first := Actor(), games, total_frames=2 * 20), Actor()
    fit(first, before)
    before.save_data()
    saved = drawn(before)

    def make_later_game(num_envs):
        game = ScriptedGame(random_script, num_envs, frame_stack=2, may_be_cut=True)
        game.episode_index = [1000] * num_envs
        return game

    games = Games(make_later_game)
    after = make_data(actor, games, total_frames=2 * 40)
    after.load_state_dict(before.state_dict())
    fit(actor, after)
    assert [batch.env_steps for batch in actor.batches] == list(range(24, 41, 4))
    assert after.clock.env_steps == after.collector.env_steps == 40
    found = drawn(after)
    assert {name: found[name] for name in found if name.episode_index < 1000} == saved
    assert len(found) > len(saved) > 10


def test_a_replay_of_other_observations_is_told_before_it_is_read(make_data, fit):
    before = make_data(actor := Actor(), total_frames=2 * 20)
    fit(actor, before)
    before.check_saved(before.state_dict())  # there is none
    before.save_data()
    before.check_saved(before.state_dict())
    after = make_data(Actor(), total_frames=2 * 40)
    height, width = after.spec.observation_shape[-2:]
    larger = (*after.spec.observation_shape[:-2], height, 2 * width)
    after.spec = dataclasses.replace(after.spec, observation_shape=larger)
    with pytest.raises(ConfigurationError, match=r"cannot be read: an observation of env=.* has \d+ bytes in it and"):
        after.check_saved(before.state_dict())


@pytest.mark.parametrize("prioritized", [False, True])
def test_a_turn_whose_updates_are_put_off_is_drawn_again(make_data, fit, prioritized):
    class Stopping(Actor):
        """Leaves the rest of the fifth turn for later."""

        def training_step(self, batch, batch_index):
            super().training_step(batch, batch_index)
            if len(self.batches) == 5:
                self.trainer.datamodule.put_off()
                raise RunInterrupted

    settings = {"env_steps_per_update": 1, "replay": REPLAY | {"prioritized": prioritized}}
    first = make_data(stopped := Stopping(), **settings)
    with pytest.raises(RunInterrupted):
        fit(stopped, first)
    first.save_data()
    assert (first.clock.turns, first.clock.vector_steps, first.clock.env_steps) == (4, 1, 10)
    after = make_data(actor := Actor(), **settings)
    after.load_state_dict(first.state_dict())
    fit(actor, after)
    for one, other in zip(stopped.batches[4].sample, actor.batches[0].sample, strict=True):
        assert torch.equal(one, other)
    whole = make_data(other := Actor(), **settings)
    fit(other, whole)
    assert [batch.env_steps for batch in stopped.batches[:4] + actor.batches] == [b.env_steps for b in other.batches]


@pytest.mark.parametrize("stop_at", [0, 1, 5])
def test_a_turn_that_was_cut_off_is_played_to_its_end(make_data, fit, stop_at):
    class Stopping(Actor):
        """Asks for the end while it chooses the actions of one vector step."""

        def act(self, observation, mode):
            if len(self.acted_with) == stop_at:
                self.trainer.datamodule.is_stopping = True
            return super().act(observation, mode)

    first = make_data(stopped := Stopping(), env_steps_per_update=8, total_frames=2 * 40)
    assert first.clock.turn.vector_steps == 4
    with pytest.raises(RunInterrupted):
        fit(stopped, first)
    first.save_data()
    # The very first actions are chosen within the first step, all others at the end of the step before.
    assert first.clock.env_steps == first.collector.env_steps == 2 * max(stop_at, 1)
    after = make_data(actor := Actor(), env_steps_per_update=8, total_frames=2 * 40)
    after.load_state_dict(first.state_dict())
    fit(actor, after)
    assert [batch.env_steps for batch in stopped.batches + actor.batches] == [8, 16, 24, 32, 40]
    assert after.clock.env_steps == after.collector.env_steps == 40


def test_an_evaluation_stops_with_the_next_step(make_data, fit):
    class Stopping(Actor):
        def act(self, observation, mode):
            self.trainer.datamodule.is_stopping |= self.trainer.datamodule.evaluator.is_playing
            self.num_asked = getattr(self, "num_asked", 0) + self.trainer.datamodule.evaluator.is_playing
            return super().act(observation, mode)

    data = make_data(actor := Stopping())
    with pytest.raises(RunInterrupted):
        fit(actor, data)
    assert actor.num_asked == 1


def test_an_owed_evaluation_is_played_in_an_empty_turn(make_data, fit):
    before, actor, games = make_data(first := Actor(), total_frames=2 * 20), Actor(), Games()
    fit(first, before)
    after = make_data(actor, games, total_frames=2 * 20)
    after.load_state_dict(before.state_dict() | {"evaluated_turns": 0, "replay": None})
    fit(actor, after)
    assert actor.batches == [EmptyTurn(20)]
    assert actor.evaluated_at == [20]
    assert actor.acted_with == []
    assert not after.clock.owes_evaluation
    assert [game.num_envs for game in games.made] == [3]  # nobody trains, nothing is remembered


def test_a_capacity_that_no_draw_fits_into_is_refused_before_it_is_measured(make_data):
    data = make_data(Actor(), replay={"capacity_env_steps": 10, "n_step": 3})
    with pytest.raises(ConfigurationError, match=r"capacity_env_steps=10 .* more than 10"):
        data.needs(100)
    make_data(Actor(), replay={"capacity_env_steps": 11, "n_step": 3}).needs(100)


def drawn(data):
    """Map where each observation comes from to its reward."""
    transition = data.replay.sample(1000, 0).sample
    return {label(o): float(r) for o, r in zip(transition.observation, transition.reward, strict=True)}


def test_the_state_passes_a_weights_only_checkpoint(make_data, fit, tmp_path):
    actor = Actor()
    data = make_data(actor)
    fit(actor, data)
    data.save_data()
    torch.save(data.state_dict(), tmp_path / "state.pt")
    assert is_equal(torch.load(tmp_path / "state.pt", weights_only=True), data.state_dict())
    assert data.state_dict()["turns"] == 10


def test_describe_foretells_the_size(make_data):
    assert make_data(Actor()).describe()["replay"] == "400 env steps, 0.00 GB when full, in memory"


@pytest.mark.parametrize("storage", ["memory", "disk"])
@pytest.mark.parametrize(("capacity", "period", "frames_saved"), [(400, 1000, 1600), (400, 100, 700), (400, 150, 850)])
def test_the_disk_must_hold_all_that_is_saved_of_a_long_run(make_data, storage, capacity, period, frames_saved):
    data = make_data(Actor(), total_frames=2 * 10**6, replay={"capacity_env_steps": capacity, "storage": storage})
    frame, arrays = 5, 8 + 4 + 4 + 1 + 1  # bytes of a step
    needed = frames_saved * frame + 3 * capacity * arrays + (storage == "disk") * capacity * frame

    def room(nbytes):
        return {"memory": 10**9, "disk": nbytes, "device": 10**9}

    check_room(data.needs(2 * period), room(needed))
    with pytest.raises(ConfigurationError, match=rf"algo\.replay\.capacity_env_steps={capacity} takes .* of disk"):
        check_room(data.needs(2 * period), room(needed - 1))
    short = make_data(Actor(), total_frames=2 * 100, replay={"capacity_env_steps": capacity, "storage": storage})
    check_room(short.needs(2 * period), room(needed - (frames_saved - 100) * frame))


def test_goals_in_hindsight_are_a_replay_of_their_own(make_data):
    games, room = Games(lambda num_envs: Gymnasium("Walk-v0", num_envs)), []
    for ratio, buffer_class in ((0.0, ReplayBuffer), (0.8, HindsightBuffer)):
        data = make_data(Actor(), games, hindsight_ratio=ratio)
        assert data.buffer_class is buffer_class
        assert ("80% with goals in hindsight" in data.describe()["replay"]) == (ratio > 0)
        room.append(data.needs(0).nbytes(1000)["memory"])
    assert room[1] - room[0] == 1000 * 16  # which episode, and how far that is known


BITS = ["env=gym", "env.id=tests.goal_env:BitFlip-v0"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["algo=sac", "env=pendulum", "algo.hindsight_ratio=0.5"], "env=Pendulum-v1, which shows no goals"),
        (["algo=r2d2", *BITS, "+algo.hindsight_ratio=0.5"], "an algorithm that does not learn from transitions"),
        (["algo=muzero", *BITS, "+algo.hindsight_ratio=0.5"], "an algorithm that does not learn from transitions"),
    ],
)
def test_goals_in_hindsight_without_goals_or_transitions_are_refused(arguments, what, tmp_path):
    result = train(*arguments, "logger=csv", f"run_dir={tmp_path / 'run'}")
    assert result.returncode == 2
    assert f"algo.hindsight_ratio=0.5 does not fit {what}" in result.stderr
    assert not (tmp_path / "run").exists()

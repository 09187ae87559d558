"""Two processes learn what one learns from both their shares together."""

import functools

import numpy as np
import pytest
import torch

from tests.algos import test_c51, test_dqn
from tests.algos.test_on_policy import a2c, make_rollout, ppo, pqn, reinforce
from tests.two_processes import in_two_processes, learn
from triptych import ranks
from triptych.algos.c51 import C51
from triptych.algos.dqn import DQN
from triptych.data.reward_scaling import RewardScaling
from triptych.replay.samplers import PrioritizedSampler
from triptych.types import ReplayBatch, RunInterrupted, Transition

NUM_UPDATES, BATCH_SIZE = 3, 8


def replay_batch():
    generator = torch.Generator().manual_seed(1)
    leading = (NUM_UPDATES, BATCH_SIZE)
    transition = Transition(
        observation=torch.randn(*leading, 3, generator=generator),
        action=torch.randint(2, leading, generator=generator),
        reward=torch.randn(leading, generator=generator),
        discount=torch.where(torch.rand(leading, generator=generator) < 0.2, 0.0, 0.9),
        next_observation=torch.randn(*leading, 3, generator=generator),
    )
    return ReplayBatch(transition, torch.rand(leading, generator=generator), env_steps=64)


def share_of_replay(batch):
    own = slice(ranks.rank() * BATCH_SIZE // 2, (ranks.rank() + 1) * BATCH_SIZE // 2)
    return ReplayBatch(Transition(*(field[:, own] for field in batch.sample)), batch.weight[:, own], batch.env_steps)


def share_of_rollout(rollout):
    """Half the environments, with all their steps in each update."""
    num_envs = rollout.reward.shape[1] // 2
    own = slice(ranks.rank() * num_envs, (ranks.rank() + 1) * num_envs)
    shared = {name: field for name, field in rollout._asdict().items() if name not in NOT_SHARED}
    fields = {name: field[:, own] for name, field in shared.items() if field is not None}
    extras = {name: extra[:, own] for name, extra in rollout.extras.items()}
    rows = torch.arange(rollout.reward[:, own].numel()).expand(len(rollout.rows), -1)
    return rollout._replace(**fields, extras=extras, rows=rows)


NOT_SHARED = ("extras", "rows", "env_steps")
OFF_POLICY = {
    "dqn": functools.partial(DQN, test_dqn.SPEC, **test_dqn.SETTINGS),
    "double, dueling": functools.partial(DQN, test_dqn.SPEC, **test_dqn.SETTINGS | {"double_q": True, "dueling": True}),
    "c51": functools.partial(C51, test_c51.SPEC, **test_c51.SETTINGS),
}
ON_POLICY = {
    "reinforce": functools.partial(reinforce, baseline=False),
    "a2c": functools.partial(a2c, normalize_observations=True),
    "ppo": ppo,
    "pqn": pqn,
}


def learn_own_share(modules, batches, directory):
    shares = {
        name: [(share_of_replay if isinstance(one, ReplayBatch) else share_of_rollout)(one) for one in batches[name]]
        for name in modules
    }
    return {name: learn(modules[name], shares[name], directory) for name in modules}


def test_two_processes_make_the_updates_of_one(tmp_path):
    modules = OFF_POLICY | ON_POLICY
    batches = {name: [replay_batch()] for name in OFF_POLICY}
    for name, make_module in ON_POLICY.items():
        rollout = make_rollout(make_module())
        rollout = rollout._replace(rows=rollout.rows.expand(NUM_UPDATES, -1))
        batches[name] = [rollout, make_rollout(make_module(), seed=1)]
    first, second = in_two_processes(learn_own_share, modules, batches, tmp_path)
    for name, make_module in modules.items():
        weights, end = learn(make_module, batches[name], tmp_path)
        assert len(weights) >= NUM_UPDATES
        assert not torch.allclose(weights[0], weights[-1], atol=1e-4), name
        assert torch.equal(first[name][0], second[name][0]), name  # after each update
        assert torch.equal(first[name][1], second[name][1]), name
        assert torch.allclose(first[name][0], weights, atol=1e-5), name
        assert torch.allclose(first[name][1], end, atol=1e-5), name


def speak():
    """Return what this process hears of both."""
    rank = ranks.rank()
    scaling = RewardScaling(2, 0.9)
    flags = np.zeros(2, bool)
    rewards = [scaling(np.array(rewards), flags, flags) for rewards in REWARDS[:, 2 * rank : 2 * rank + 2]]
    sampler = PrioritizedSampler(
        4, seed=rank, priority_exponent=1.0, importance_exponent_start=1.0, importance_anneal_env_steps=1
    )
    sampler.enable(np.arange(4))
    sampler.update(np.arange(4), np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 97.0]][rank]))
    index, weight = sampler.draw(64, 0)
    try:
        ranks.from_first(functools.partial(stop, rank))
        stopped = False
    except RunInterrupted:
        stopped = True
    return {
        "rank": (rank, ranks.size(), ranks.local_rank(), ranks.local_size()),
        "concatenate": ranks.concatenate(torch.tensor([[rank, 1]])).tolist(),
        "mean": float(ranks.mean(torch.tensor(rank))),
        "largest": ranks.largest(float(rank)),
        "agree": [ranks.agree(is_so) for is_so in (True, rank == 0, rank == 1, False)],
        "gather": ranks.gather(rank),
        "from_first": ranks.from_first(lambda: f"told by {rank}"),
        "stopped": stopped,
        "rewards": np.array(rewards),
        "weight": dict(zip(index.tolist(), weight.tolist(), strict=True)),
    }


REWARDS = np.random.default_rng(0).normal(size=(5, 4))


def stop(rank):
    assert rank == 0
    raise RunInterrupted


def test_what_processes_tell_each_other():
    first, second = in_two_processes(speak)
    assert (first["rank"], second["rank"]) == ((0, 2, 0, 2), (1, 2, 1, 2))
    assert first.pop("gather") == [0, 1]
    assert second.pop("gather") == []
    for heard in (first, second):
        assert heard["concatenate"] == [[0, 1], [1, 1]]
        assert (heard["mean"], heard["largest"]) == (0.5, 1.0)
        assert heard["agree"] == [True, False, False, False]
        assert heard["from_first"] == "told by 0"
        assert heard["stopped"]
    whole = RewardScaling(4, 0.9)
    flags = np.zeros(4, bool)
    rewards = np.array([whole(rewards, flags, flags) for rewards in REWARDS])
    assert np.allclose(np.concatenate([first["rewards"], second["rewards"]], axis=1), rewards)
    # By hand: 1 for each of the first, 1/(4 · 0.01) and 1/(4 · 0.97) of the second, all divided by the largest, 25.
    assert first["weight"] == pytest.approx(dict.fromkeys(range(4), 0.04), rel=1e-3)
    assert second["weight"][3] == pytest.approx(0.04 / 3.88, rel=1e-3)
    assert second["weight"][min(second["weight"])] == pytest.approx(1.0)


def test_one_process_speaks_to_nobody():
    assert (ranks.rank(), ranks.size(), ranks.local_rank(), ranks.local_size()) == (0, 1, 0, 1)
    values = torch.ones(3)
    assert ranks.concatenate(values) is values
    assert ranks.gather(values) == [values]
    assert ranks.from_first(lambda: 5) == 5
    with pytest.raises(RunInterrupted):
        ranks.from_first(functools.partial(stop, 0))

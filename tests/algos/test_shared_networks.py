"""What every algorithm with a target network or an average of its weights does with them, one test for all."""

import pytest
import torch

from tests.algos import test_bootstrapped_dqn, test_c51, test_dqn, test_iqn, test_nfsp, test_qr_dqn, test_spr
from tests.algos.test_on_policy import make_rollout, ppo, pqn
from tests.algos.test_r2d2 import r2d2
from triptych.algos.bootstrapped_dqn import BootstrappedDQN
from triptych.algos.c51 import C51
from triptych.algos.dqn import DQN
from triptych.algos.iqn import IQN
from triptych.algos.nfsp import NFSP
from triptych.algos.qr_dqn import QRDQN
from triptych.algos.spr import SPR
from triptych.types import EVALUATE


def maker(algorithm, room):
    return lambda **settings: algorithm(room.SPEC, **room.SETTINGS | settings)


WITH_TARGET = {
    "dqn": maker(DQN, test_dqn), "c51": maker(C51, test_c51), "qr_dqn": maker(QRDQN, test_qr_dqn),
    "iqn": maker(IQN, test_iqn), "bootstrapped_dqn": maker(BootstrappedDQN, test_bootstrapped_dqn),
    "spr": maker(SPR, test_spr), "r2d2": r2d2, "nfsp": maker(NFSP, test_nfsp),
}  # fmt: skip
WITH_EPSILON = {name: make for name, make in WITH_TARGET.items() if name != "nfsp"} | {"pqn": pqn}
WITH_AVERAGE = WITH_EPSILON | {"nfsp": WITH_TARGET["nfsp"], "ppo": ppo}


def learned_of(name, module):
    return getattr(module, "policy_network" if name == "nfsp" else "network" if name == "ppo" else "online_network")


def perturb(network, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))


def equal(one, other):
    return all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", WITH_TARGET)
def test_the_target_network_moves_every_so_many_updates_and_not_between(name):
    module = WITH_TARGET[name](target_update_period_updates=2)
    moved = []
    for module.updates in (1, 2, 3, 4):
        perturb(module.online_network, module.updates)
        before = [parameter.clone() for parameter in module.target_network.parameters()]
        module.after_update()
        if equal(module.target_network, module.online_network):
            moved.append(True)
        else:
            assert all(torch.equal(*pair) for pair in zip(before, module.target_network.parameters(), strict=True))
            moved.append(False)
    assert moved == [False, True, False, True]


def observations(module, count=200):
    generator = torch.Generator().manual_seed(5)
    spec = module.spec
    if spec.is_image:
        return torch.randint(256, (count, *spec.observation_shape), dtype=torch.uint8, generator=generator)
    seen = torch.randn(count, *spec.observation_shape, generator=generator)
    if spec.parts is not None:  # all actions are allowed, and the first player is to move
        seen[:, 2:5], seen[:, 5] = 1.0, 0.0
    return seen


def evaluated(module):
    """Return what is chosen in an evaluation, chance being that of the evaluation's start."""
    seen = observations(module)
    module.on_validation_start()
    begin = getattr(module, "begin_episodes", None)
    if begin is not None:
        begin(torch.ones(len(seen), dtype=torch.bool), EVALUATE)
    with torch.no_grad():
        return module.act(seen, EVALUATE).action.tolist()


@pytest.mark.parametrize("name", WITH_AVERAGE)
def test_evaluations_play_the_average_of_the_weights_and_nothing_else(name):
    epsilons = {"epsilon_start": 1.0, "epsilon_end": 1.0, "eval_epsilon": 0.0} if name in WITH_EPSILON else {}
    make = WITH_AVERAGE[name]
    module, other = (make(weight_average_decay=0.5, **epsilons) for _ in range(2))
    perturb(learned_of(name, module), 1)
    perturb(learned_of(name, other), 2)
    other.average_network.network.load_state_dict(learned_of(name, other).state_dict())
    module.average_network.network.load_state_dict(learned_of(name, other).state_dict())
    assert evaluated(module) == evaluated(other)  # whose learned weights are the average
    module.average_network.decay, module.updates = 0.0, 7
    module.after_turn(make_rollout(module) if name in ("ppo", "pqn") else None)
    assert equal(module.average_network.network, learned_of(name, module))
    assert evaluated(module) != evaluated(other)

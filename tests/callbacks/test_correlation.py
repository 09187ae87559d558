import numpy as np
import pytest
import torch

from triptych.callbacks.correlation import MinibatchCorrelation, mean_correlation
from triptych.types import ReplayBatch, Transition


def test_the_mean_correlation_is_that_of_all_pairs():
    generator = torch.Generator().manual_seed(0)
    observation, mean = torch.randn((5, 7), generator=generator), torch.randn(7, generator=generator)
    pairs = []
    for one in range(5):
        for other in range(5):
            if one != other:
                a, b = (observation[one] - mean).numpy(), (observation[other] - mean).numpy()
                pairs.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    assert float(mean_correlation(observation, mean)) == pytest.approx(np.mean(pairs), abs=1e-5)


class Recorder:
    def __init__(self):
        self.values = []

    def record(self, **metrics):
        self.values.append(float(metrics["minibatch_correlation"]))


def batch_of(observation):
    rows = torch.zeros(observation.shape[:2])
    return ReplayBatch(Transition(observation, rows, rows, rows, observation), rows, 0)


def test_steps_of_one_game_are_alike_and_draws_from_all_over_are_not():
    generator = torch.Generator().manual_seed(0)
    places = torch.randn((300, 12), generator=generator)
    found = {}
    for name in ("near", "far"):
        callback, module = MinibatchCorrelation(period_turns=1), Recorder()
        for turn in range(200):
            drawn = torch.randint(300, (32,), generator=generator)
            one = places[turn : turn + 1] + 0.1 * torch.randn((32, 12), generator=generator)
            observation = one if name == "near" else places[drawn]
            callback.on_train_batch_end(None, module, None, batch_of(observation[None]), 0)
        found[name] = np.mean(module.values[-50:])
    assert found["near"] > 0.8
    assert abs(found["far"]) < 0.1


def test_it_goes_on_from_a_checkpoint():
    generator = torch.Generator().manual_seed(0)
    batches = [batch_of(torch.randn((1, 4, 3), generator=generator)) for _ in range(6)]
    straight, first, second = (MinibatchCorrelation(period_turns=2) for _ in range(3))
    modules = Recorder(), Recorder()
    for batch in batches:
        straight.on_train_batch_end(None, modules[0], None, batch, 0)
    for batch in batches[:3]:
        first.on_train_batch_end(None, modules[1], None, batch, 0)
    second.load_state_dict(first.state_dict())
    for batch in batches[3:]:
        second.on_train_batch_end(None, modules[1], None, batch, 0)
    assert modules[0].values == modules[1].values
    assert len(modules[0].values) == 3


def test_one_observation_is_like_no_other():
    callback, module = MinibatchCorrelation(period_turns=1), Recorder()
    callback.on_train_batch_end(None, module, None, batch_of(torch.ones(1, 1, 3)), 0)
    assert module.values == []

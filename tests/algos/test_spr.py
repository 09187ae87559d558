"""What SPR minimises: on segments what C51 does on their n-step transitions, and how alike what it foretells is."""

import pytest
import torch

from triptych.algos.c51 import C51
from triptych.algos.spr import SPR
from triptych.networks.latent_model import feature_map, project
from triptych.types import ConfigurationError, EnvSpec, Minibatch, Segment, Transition

SPEC = EnvSpec("images", "none", (2, 12, 12), "uint8", num_actions=3, pixel_max=255.0)
SHARED = {
    "seed": 0, "learning_rate": 1e-3, "adam_epsilon": 1e-8, "max_grad_norm": 10.0, "num_bins": 11, "support_limit": 5.0,
    "double_q": True, "dueling": True, "target_update_period_updates": 1, "epsilon_start": 0.0, "epsilon_end": 0.0,
    "epsilon_decay_env_steps": 0, "eval_epsilon": 0.0, "weight_average_decay": 0.5,
}  # fmt: skip
SETTINGS = SHARED | {
    "n_step": 3, "unroll_steps": 2, "num_observations": 4, "prediction_coef": 2.0, "augmentation": False,
}  # fmt: skip
B, U, N = 4, 2, 3


def segment(seed=0):
    """Four stretches: one goes on, one is truncated after two steps, two terminate, after one and two."""
    generator = torch.Generator().manual_seed(seed)
    observation = torch.randint(256, (B, 4, *SPEC.observation_shape), generator=generator, dtype=torch.uint8)
    reward = torch.randint(-1, 2, (B, U + N), generator=generator).float()
    discount = torch.full((B, U + N), 0.9)
    is_step = torch.ones((B, U + N + 1), dtype=torch.bool)
    for row, (end, is_terminal) in enumerate([(9, False), (1, False), (0, True), (1, True)]):
        reward[row, end + 1 :], is_step[row, end + 1 :] = 0.0, False
        discount[row, end + 1 :] = 1.0
        if is_terminal:
            discount[row, end] = 0.0
    action = torch.randint(3, (B, U), generator=generator)
    unsaid = torch.zeros(B, U + N + 1), torch.zeros(B, U + 1, 3)
    return Segment(observation, action, reward, discount, *unsaid, is_step, is_step[:, : U + 1])


def test_without_prediction_it_is_c51_on_the_transitions_of_n_steps():
    torch.manual_seed(0)
    spr, c51 = SPR(SPEC, **SETTINGS | {"prediction_coef": 0.0}), C51(SPEC, **SHARED)
    with torch.no_grad():
        for parameter in spr.target_network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    c51.online_network, c51.target_network = spr.online_network, spr.target_network
    one, weight = segment(), torch.tensor([1.0, 0.5, 2.0, 1.0])
    reward, discount = torch.zeros(B), torch.ones(B)
    for row in range(B):  # step by step
        for step in range(N):
            reward[row] += discount[row] * one.reward[row, step]
            discount[row] *= one.discount[row, step]
    assert discount.tolist() == pytest.approx([0.9**3, 0.9**2, 0.0, 0.0])
    transition = Transition(one.observation[:, 0], one.action[:, 0], reward, discount, one.observation[:, N])
    expected = c51.loss(Minibatch(transition, weight))
    found = spr.loss(Minibatch(one, weight))
    assert torch.allclose(found.priorities, expected.priorities, rtol=1e-5)
    assert float(found.loss.detach()) == pytest.approx(float(expected.loss.detach()), rel=1e-5)


def test_the_prediction_is_the_likeness_of_each_step_that_was_played():
    module = SPR(SPEC, **SETTINGS)
    one = segment()
    output = module.loss(Minibatch(one, torch.ones(B)))
    torso, expected = module.online_network.torso, torch.zeros(B)
    for row in range(B):
        state = feature_map(torso, one.observation[row : row + 1, 0])
        for step in range(U):
            state = module.latent_model.step(state, one.action[row : row + 1, step])
            seen = project(torso, feature_map(torso, one.observation[row : row + 1, step + 1]))
            if one.is_step[row, step + 1]:
                expected[row] += module.latent_model.likeness(torso, state, seen)[0].detach() / U
    assert float(output.metrics["likeness"]) == pytest.approx(float(expected.mean()), abs=1e-5)
    module.prediction_coef = 0.0
    without = float(module.loss(Minibatch(one, torch.ones(B))).loss.detach())
    assert float(output.loss.detach()) == pytest.approx(without - 2.0 * U * float(expected.mean()), abs=1e-4)


def test_the_features_learn_from_the_prediction_and_what_was_seen_is_taken_as_given():
    module = SPR(SPEC, **SETTINGS)
    one = segment()
    images = one.observation.float().requires_grad_()
    module.loss(Minibatch(one._replace(observation=images), torch.ones(B))).loss.backward()
    assert images.grad[:, 0].any()
    assert not images.grad[:, 1:].any()
    assert module.latent_model.transition[0].weight.grad.any()
    assert module.latent_model.predictor.weight.grad.any()


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (SPEC, {"num_observations": 3}, "num_observations=3 does not fit"),
        (EnvSpec("vector", "none", (3,), "float32", num_actions=2), {}, "has none for env=vector"),
    ],
)
def test_what_does_not_fit_is_said(spec, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        SPR(spec, **SETTINGS | settings)

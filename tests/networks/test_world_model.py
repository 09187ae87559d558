import pytest
import torch

from triptych.networks.world_model import PictureModel, VectorModel, make_world_model, scale_to_unit
from triptych.types import EnvSpec, ObservationParts

SPECS = {
    "vector": EnvSpec("vector", "none", (5,), "float32", num_actions=3),
    "catch": EnvSpec("catch", "none", (2, 10, 10), "uint8", num_actions=3),
    "pong": EnvSpec("pong", "nature", (4, 84, 84), "uint8", num_actions=6),
}


def observe(spec, count=4):
    generator = torch.Generator().manual_seed(0)
    if spec.is_image:
        return torch.randint(256, (count, *spec.observation_shape), dtype=torch.uint8, generator=generator)
    return torch.randn(count, *spec.observation_shape, generator=generator)


@pytest.mark.parametrize("representation", ["nature", "efficientzero"])
@pytest.mark.parametrize("name", SPECS)
def test_shapes_and_ranges(name, representation):
    spec = SPECS[name]
    model = make_world_model(spec, 21, 11, False, representation)
    assert isinstance(model, PictureModel if name == "pong" else VectorModel)
    state = model.represent(observe(spec))
    next_state, reward_features = model.step(state, torch.tensor([0, 1, 2, 0]))
    reward_logits, _ = model.reward(reward_features, model.reward.initial_memory(state))
    prediction = model.predict(next_state)
    assert next_state.shape == state.shape
    assert reward_logits.shape == (4, 11)
    assert prediction.policy_logits.shape == (4, spec.num_actions)
    assert prediction.value_logits.shape == (4, 21)
    for one in (state, next_state):
        assert float(one.min()) == 0
        assert float(one.max()) == pytest.approx(1)


def masked(shape, pixel_max):
    parts = ObservationParts(shape, 3)
    return EnvSpec("masked", "none", (parts.size,), "float32", num_actions=3, parts=parts, pixel_max=pixel_max)


def test_pictures_beside_a_mask_are_no_board():
    picture, small, board = masked((4, 84, 84), 255.0), masked((3, 12, 12), 255.0), masked((3, 7, 6), None)
    assert [spec.shows_pictures for spec in (picture, small, board)] == [True, True, False]
    model = make_world_model(picture, 21, 11, False, "nature")
    assert isinstance(model, PictureModel)
    assert model.represent(torch.zeros(2, 4, 84, 84)).shape == (2, 64, 7, 7)
    assert isinstance(make_world_model(small, 21, 11, False, "nature"), VectorModel)
    model = make_world_model(board, 21, 11, False, "nature")
    assert model.represent(torch.zeros(2, 3, 7, 6)).shape == (2, 64, 7, 6)


def test_efficientzero_sees_six_by_six():
    model = make_world_model(SPECS["pong"], 601, 601, True, "efficientzero")
    assert model.represent(observe(SPECS["pong"])).shape == (4, 64, 6, 6)


@pytest.mark.parametrize("name", SPECS)
def test_it_starts_without_an_opinion(name):
    model = make_world_model(SPECS[name], 21, 11, False, "nature")
    state = model.represent(observe(SPECS[name]))
    policy_logits, value_logits = model.predict(state)
    _, reward_features = model.step(state, torch.zeros(4, dtype=torch.int64))
    reward_logits, _ = model.reward(reward_features, ())
    assert not policy_logits.any()
    assert not value_logits.any()
    assert not reward_logits.any()


@pytest.mark.parametrize("name", SPECS)
def test_the_action_matters_and_rows_do_not_mix(name):
    model = make_world_model(SPECS[name], 21, 11, False, "nature").eval()
    state = model.represent(observe(SPECS[name]))
    actions = torch.tensor([0, 1, 2, 1])
    together, _ = model.step(state, actions)
    other, _ = model.step(state, (actions + 1) % 3)
    for row in range(4):
        alone, _ = model.step(state[[row]], actions[[row]])
        torch.testing.assert_close(alone[0], together[row], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(other[row], together[row], atol=1e-3)


@pytest.mark.parametrize("name", SPECS)
def test_every_parameter_learns(name):
    model = make_world_model(SPECS[name], 21, 11, True, "efficientzero")
    for parameter in model.parameters():  # away from the zeros that the heads start at
        torch.nn.init.normal_(parameter, std=0.1)
    state = model.represent(observe(SPECS[name]))
    memory = model.reward.initial_memory(state)
    for _ in range(2):  # a memory that is empty teaches the recurrent weights nothing
        state, reward_features = model.step(state, torch.tensor([0, 1, 2, 0]))
        reward_logits, memory = model.reward(reward_features, memory)
    policy_logits, value_logits = model.predict(state)
    (reward_logits.square().sum() + policy_logits.square().sum() + value_logits.square().sum()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_flat_state_is_scaled_without_nan():
    assert scale_to_unit(torch.full((2, 3), 7.0)).tolist() == [[0.0] * 3] * 2
    assert scale_to_unit(torch.tensor([[1.0, 3.0, 2.0]])).tolist() == [[0.0, 1.0, 0.5]]

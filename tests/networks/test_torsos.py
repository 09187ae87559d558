import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from triptych.networks.choice import make_torso
from triptych.networks.torsos import NatureTorso, PixelConvolution, SmallTorso, VectorTorso
from triptych.types import EnvSpec


def spec_of(observation_shape, is_image):
    return EnvSpec("game", "none", observation_shape, "uint8" if is_image else "float32", num_actions=3)


def random_pixels(*shape):
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("observation_shape", "is_image", "torso_class"),
    [
        ((4, 84, 84), True, NatureTorso),
        ((1, 36, 36), True, NatureTorso),
        ((2, 35, 84), True, SmallTorso),
        ((2, 10, 10), True, SmallTorso),
        ((4,), False, VectorTorso),
        ((3, 5), False, VectorTorso),
    ],
)
def test_the_torso_fits_the_observation(observation_shape, is_image, torso_class):
    torso = make_torso(spec_of(observation_shape, is_image))
    assert type(torso) is torso_class
    observation = random_pixels(3, *observation_shape) if is_image else torch.randn(3, *observation_shape)
    features = torso(observation)
    assert features.shape == (3, torso.num_features)
    assert features.dtype == torch.float32
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in torso.parameters())


def test_nature_torso_has_the_parameters_of_the_paper():
    convolutions = (4 * 8 * 8 + 1) * 32 + (32 * 4 * 4 + 1) * 64 + (64 * 3 * 3 + 1) * 64
    hidden = (64 * 7 * 7 + 1) * 512
    assert sum(parameter.numel() for parameter in NatureTorso((4, 84, 84)).parameters()) == convolutions + hidden


@pytest.mark.parametrize("torso", [NatureTorso((4, 84, 84)), SmallTorso((2, 10, 10)), VectorTorso((6,))])
def test_rows_of_a_batch_do_not_mix(torso):
    shape = {NatureTorso: (4, 84, 84), SmallTorso: (2, 10, 10), VectorTorso: (6,)}[type(torso)]
    batch = torch.randn(3, *shape) if isinstance(torso, VectorTorso) else random_pixels(3, *shape)
    together = torso(batch)
    alone = torch.cat([torso(one[None]) for one in batch])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_pixels_are_read_as_numbers_up_to_one_and_left_as_they_were():
    pixels = random_pixels(2, 3, 9, 9)
    before = pixels.clone()
    layer = PixelConvolution(3, 5, kernel_size=3, stride=2)
    plain = nn.Conv2d(3, 5, kernel_size=3, stride=2)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(pixels), plain(pixels / 255))
    layer(pixels).sum().backward()
    plain(pixels / 255).sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-4)
    assert torch.equal(pixels, before)


def test_pixels_come_in_the_precision_of_the_computation_and_unrounded():
    pixels, layer = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16), PixelConvolution(1, 3, 2)
    assert layer.to_float(pixels).dtype == torch.float32
    assert layer.double().to_float(pixels).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.to_float(pixels).dtype == torch.bfloat16
        assert layer.to_float(pixels).flatten().tolist() == list(range(256))


@pytest.mark.parametrize("shape", [(4, 84, 84), (2, 10, 10)])
def test_channels_last_computes_the_same(shape):
    torso, pixels = make_torso(spec_of(shape, True)), random_pixels(2, *shape)
    plain = torso(pixels)
    torso = torso.to(memory_format=torch.channels_last)
    assert torso.convolutions[0].to_float(pixels).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(torso(pixels), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pixel_max", [2.0, 255.0])
def test_pixels_are_read_as_numbers_from_0_to_1_whatever_their_largest(pixel_max):
    torch.manual_seed(0)
    torso, unit = (SmallTorso((1, 6, 7), pixel_max=largest) for largest in (pixel_max, 1.0))
    unit.load_state_dict(torso.state_dict())
    share = torch.randint(3, (5, 1, 6, 7)) / 2  # 0, a half and 1
    stones = (share * pixel_max).to(torch.uint8) if pixel_max == 2 else share * pixel_max
    torch.testing.assert_close(torso(stones), unit(share), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("torso", "observation"),
    [
        (NatureTorso((4, 84, 84)), torch.zeros(1, 4, 84, 84, dtype=torch.bool)),
        (NatureTorso((4, 84, 84)), torch.zeros(4, 84, 84, dtype=torch.uint8)),
        (SmallTorso((2, 10, 10)), torch.zeros(2, 10, 10)),
        (VectorTorso((6,)), torch.zeros(1, 6, dtype=torch.uint8)),
    ],
)
def test_a_wrong_shape_or_type_raises(torso, observation):
    with pytest.raises(TypeCheckError):
        torso(observation)

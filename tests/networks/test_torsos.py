import pytest
import torch
from jaxtyping import TypeCheckError

from triptych.networks.torsos import NatureTorso, SmallTorso, VectorTorso, make_torso, scale_pixels


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
    torso = make_torso(observation_shape, is_image)
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
    assert (
        sum(parameter.numel() for parameter in NatureTorso((4, 84, 84)).parameters()) == convolutions + hidden
    )


@pytest.mark.parametrize("torso", [NatureTorso((4, 84, 84)), SmallTorso((2, 10, 10)), VectorTorso((6,))])
def test_rows_of_a_batch_do_not_mix(torso):
    shape = {NatureTorso: (4, 84, 84), SmallTorso: (2, 10, 10), VectorTorso: (6,)}[type(torso)]
    batch = torch.randn(3, *shape) if isinstance(torso, VectorTorso) else random_pixels(3, *shape)
    together = torso(batch)
    alone = torch.cat([torso(one[None]) for one in batch])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_pixels_are_scaled_to_one_and_left_as_they_were():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    scaled = scale_pixels(pixels, torch.zeros(1, 1, 3, 3))
    torch.testing.assert_close(scaled.flatten(), torch.arange(256.0) / 255)
    assert pixels.flatten().tolist() == list(range(256))


def test_pixels_come_in_the_precision_of_the_computation():
    pixels, weight = random_pixels(2, 4, 8, 8), torch.zeros(3, 4, 2, 2)
    assert scale_pixels(pixels, weight).dtype == torch.float32
    assert scale_pixels(pixels, weight.double()).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert scale_pixels(pixels, weight).dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(4, 84, 84), (2, 10, 10)])
def test_channels_last_computes_the_same(shape):
    torso, pixels = make_torso(shape, is_image=True), random_pixels(2, *shape)
    plain = torso(pixels)
    torso = torso.to(memory_format=torch.channels_last)
    scaled = scale_pixels(pixels, torso.convolutions[0].weight)
    assert scaled.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(torso(pixels), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("torso", "observation"),
    [
        (NatureTorso((4, 84, 84)), torch.zeros(1, 4, 84, 84)),
        (NatureTorso((4, 84, 84)), torch.zeros(4, 84, 84, dtype=torch.uint8)),
        (SmallTorso((2, 10, 10)), torch.zeros(1, 2, 10, 10)),
        (VectorTorso((6,)), torch.zeros(1, 6, dtype=torch.uint8)),
    ],
)
def test_a_wrong_shape_or_type_raises(torso, observation):
    with pytest.raises(TypeCheckError):
        torso(observation)

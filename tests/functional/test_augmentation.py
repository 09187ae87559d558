import pytest
import torch

from triptych.functional.augmentation import augment, random_intensity, random_shift


def make_images(count=50):
    return torch.randint(256, (count, 2, 8, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def slow_shift(image, down, right, num_pixels):
    """Read each pixel from where it came, the border standing in beyond it."""
    _, height, width = image.shape
    shifted = torch.empty_like(image)
    for y in range(height):
        for x in range(width):
            source_y = min(max(y + down - num_pixels, 0), height - 1)
            source_x = min(max(x + right - num_pixels, 0), width - 1)
            shifted[:, y, x] = image[:, source_y, source_x]
    return shifted


@pytest.mark.parametrize("images", [make_images(), make_images().float() / 255], ids=["bytes", "numbers from 0 to 1"])
def test_each_image_is_one_of_its_shifts_and_all_are_drawn(images):
    shifted = random_shift(images, 1, torch.Generator().manual_seed(1))
    drawn = set()
    for image, found in zip(images, shifted, strict=True):
        matches = [
            (down, right)
            for down in range(3)
            for right in range(3)
            if torch.equal(slow_shift(image, down, right, 1), found)
        ]
        assert len(matches) == 1
        drawn |= set(matches)
    assert len(drawn) == 9


def test_intensity_scales_a_whole_image_within_its_limits():
    images = make_images()
    found = random_intensity(images, 0.05, torch.Generator().manual_seed(1))
    assert found.dtype == torch.uint8
    factors = set()
    for image, scaled in zip(images, found, strict=True):
        bright = image > 100
        ratio = (scaled[bright].float() / image[bright]).median()
        assert 0.89 < float(ratio) < 1.11
        expected = (image.float() * ratio).clamp(0, 255)
        assert (scaled.float() - expected).abs().max() < 3
        factors.add(round(float(ratio), 3))
    assert len(factors) > 20


def test_numbers_are_scaled_as_they_are():
    images = make_images().float() / 255
    found = augment(images, torch.Generator().manual_seed(1), shift_fraction=0.0)
    factor = found.flatten(1).amax(1) / images.flatten(1).amax(1)
    torch.testing.assert_close(found, images * factor[:, None, None, None])
    assert len(factor.unique()) > 40  # two standard deviations are the most
    assert factor.min() > 0.899
    assert factor.max() < 1.101


def test_augmenting_shifts_and_changes_the_intensity_of_each_image():
    images = torch.full((64, 2, 84, 84), 100, dtype=torch.uint8)
    images[:, :, 40, 40] = 200
    changed = augment(images, torch.Generator().manual_seed(0))
    assert changed.dtype == torch.uint8
    brightest = [image[0].argmax().item() for image in changed]
    rows, columns = {index // 84 for index in brightest}, {index % 84 for index in brightest}
    assert rows == columns == set(range(36, 45))  # 4 pixels in each direction
    assert len({int(image[0, 0, 0]) for image in changed}) > 5
    assert bool((changed[:, 0] == changed[:, 1]).all())

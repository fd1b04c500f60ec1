"""Augmentation equals what slicing and flipping image by image gives, from the same draws."""

import pytest
import torch

from forgetless.data import Pixels, Split
from forgetless.data.augment import random_crop, random_flip


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(size: int = 40, side: tuple[int, int] = (7, 5), channels: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (size, *side, channels), dtype=torch.uint8, generator=draw(9))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", [1, 4])
def test_crop_equals_slicing_each_image(channels, padding):
    x = images(channels=channels)
    _, height, width, _ = x.shape
    found = random_crop(x, padding, draw(3))
    down, right = torch.randint(0, 2 * padding + 1, (2, len(x)), generator=draw(3))
    for i, image in enumerate(x):
        padded = torch.zeros(height + 2 * padding, width + 2 * padding, channels, dtype=torch.uint8)
        padded[padding : padding + height, padding : padding + width] = image
        window = padded[down[i] : down[i] + height, right[i] : right[i] + width]
        assert torch.equal(found[i], window), i


def test_flip_equals_flipping_each_image():
    x = images()
    coin = torch.rand(len(x), generator=draw(5)) < 0.5
    found = random_flip(x, draw(5))
    assert 0 < coin.sum() < len(x)
    for i, image in enumerate(x):
        assert torch.equal(found[i], image.flip(1) if coin[i] else image), i


def test_each_image_has_its_own_offset_and_coin():
    same = images(1, (8, 8)).repeat(200, 1, 1, 1)
    assert len(random_crop(same, 4, draw()).flatten(1).unique(dim=0)) > 60  # of 81 offsets
    assert len(random_flip(same, draw()).flatten(1).unique(dim=0)) == 2


def test_normalisation_is_that_of_the_formula():
    x = images()
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    found = Pixels(mean, std).prepare(x)
    expected = (x.permute(0, 3, 1, 2).double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(
        std
    ).view(3, 1, 1)
    assert found.shape == (40, 3, 7, 5)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_every_byte_of_an_image_without_mean_is_its_share_of_255():
    x = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    torch.testing.assert_close(Pixels().prepare(x).flatten(), torch.arange(256) / 255, rtol=0, atol=6e-8)


def test_the_same_generator_state_gives_the_same_images_and_moves_on():
    x, pixels = images(side=(8, 8)), Pixels(crop=4, flip=True)
    one, two = draw(1), draw(1)
    first = pixels.prepare(x, one)
    assert torch.equal(first, pixels.prepare(x, two))
    assert torch.equal(one.get_state(), two.get_state())
    assert not torch.equal(first, pixels.prepare(x, one))
    state = one.get_state()
    third = pixels.prepare(x, one)
    two.set_state(state)
    assert torch.equal(third, pixels.prepare(x, two))


def test_nothing_is_augmented_without_a_generator_or_a_recipe_for_it():
    x = images(side=(8, 8))
    assert torch.equal(Pixels(crop=4, flip=True).prepare(x), Pixels().prepare(x))
    generator = draw(1)
    before = generator.get_state()
    assert torch.equal(Pixels().prepare(x, generator), Pixels().prepare(x))
    assert torch.equal(generator.get_state(), before)


def test_the_stored_images_stay_as_they_are():
    x = images(side=(8, 8))
    before = x.clone()
    Split(x, torch.zeros(len(x)).long(), Pixels(crop=2, flip=True)).inputs(slice(None), draw())
    assert torch.equal(x, before)


def test_float_features_are_taken_as_they_are_or_normalised():
    x = torch.randn(5, 11, generator=draw())
    assert Pixels(crop=4, flip=True).prepare(x, draw()) is x
    torch.testing.assert_close(Pixels((1.0,), (2.0,)).prepare(x), (x - 1) / 2)

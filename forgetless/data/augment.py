"""From stored bytes to what a network sees: batched functions of tensors, with randomness for each image."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pixels:
    """How stored examples become inputs: scaled to [0, 1], augmented on request, normalised.

    uint8 examples (B, H, W, K) become float (B, K, H, W), in channels-last memory. Float examples are taken as
    they are, in their own shape, and only normalised.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    crop: int = 0  # pixels of zeros around the image before a random crop back to its size; 0: no crop
    flip: bool = False  # mirror left-right with probability one half

    def prepare(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, H, W, K) uint8 -> (B, K, H, W) float; augmented if a generator is given."""
        if x.dtype != torch.uint8:
            return x if self.mean == (0.0,) and self.std == (1.0,) else (x - self.mean[0]) / self.std[0]
        if generator is not None:
            x = random_crop(x, self.crop, generator) if self.crop else x
            x = random_flip(x, generator) if self.flip else x
        scale, shift = _affine(self.mean, self.std, x.shape[1:], x.device)
        return torch.addcmul(shift, x.float(), scale).permute(0, 3, 1, 2)


def random_crop(x: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Each image at its own random offset within a border of zeros. (B, H, W, K) -> (B, H, W, K)"""
    size, height, width, channels = x.shape
    padded = torch.nn.functional.pad(x, (0, 0, padding, padding, padding, padding))
    offsets = torch.randint(0, 2 * padding + 1, (2, size), generator=generator)
    down, right = offsets.to(x.device, non_blocking=True)  # (B,) each: of the window in the padded image
    high, wide = height + 2 * padding, width + 2 * padding
    # every run of `width` pixels anywhere in the padded images, as a row: a window is `height` of these
    runs = padded.as_strided((size * high * wide - width + 1, width * channels), (channels, 1))
    first = (torch.arange(size, device=x.device) * high + down) * wide + right
    starts = first[:, None] + torch.arange(height, device=x.device) * wide
    return runs.index_select(0, starts.flatten()).view(x.shape)


def random_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left-right with probability one half. (B, H, W, K) -> (B, H, W, K)"""
    coin = torch.rand(len(x), generator=generator).to(x.device, non_blocking=True) < 0.5
    rows = torch.arange(len(x), device=x.device) + len(x) * coin
    return torch.cat([x, x.flip(2)]).index_select(0, rows)


@lru_cache(maxsize=32)
def _affine(
    mean: tuple[float, ...], std: tuple[float, ...], shape: torch.Size, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Factors and offsets that take a byte to its normalised value; made once, where they are used.

    They are as large as an image (H, W, K), not one number per channel, so that the product reads rows, not
    triples: a fifth of the time.
    """
    scale = torch.tensor([1 / (255 * s) for s in std], device=device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
    return scale.expand(shape).contiguous(), shift.expand(shape).contiguous()

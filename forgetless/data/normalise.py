"""How a data set's stored examples become inputs: which mean and deviation, checked against its channels."""

from collections.abc import Sequence

import torch

from ..errors import SettingsError
from .augment import Pixels
from .source import Source


def choose_pixels(
    source: Source,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    crop: int = 0,
    flip: bool = False,
) -> Pixels:
    """Normalisation by what is given, else by the training images' own statistics; floats stay as they are.

    Raises:
        SettingsError: a number of values that is not that of the channels, or a deviation that cannot divide.
    """
    channels = source.train_x.shape[-1] if source.train_x.dtype == torch.uint8 else 1
    if mean is None or std is None:
        own_mean, own_std = own_statistics(source)
    mean = _per_channel("mean", own_mean if mean is None else mean, channels)
    std = _per_channel("std", own_std if std is None else std, channels)
    if not all(value > 0 for value in std):
        raise SettingsError(
            f"std divides and must be above zero; {', '.join(f'{v:g}' for v in std)} was given."
        )
    return Pixels(mean, std, crop, flip)


def own_statistics(source: Source) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel's training values in [0, 1], to four digits; (0), (1) for floats.

    From exact counts of bytes, so that they are the same on every machine. A deviation of zero counts as one.
    """
    if source.train_x.dtype != torch.uint8:
        return (0.0,), (1.0,)
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in source.train_x.unbind(-1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = (share * values).sum()
        means.append(round(float(mean), 4))
        deviations.append(round(float((share * (values - mean) ** 2).sum().sqrt()), 4) or 1.0)
    return tuple(means), tuple(deviations)


def _per_channel(name: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise SettingsError(
            f"{name} needs one value or one for each of {channels} channels; {len(values)} were given."
        )
    return tuple(values) * (channels if len(values) == 1 else 1)

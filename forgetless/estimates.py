"""What several seeds say together, and whether that agrees with a published figure. Fractions, not per cent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["match", "close", "above", "below", "unverifiable"]

POINT = 0.01  # one point of a percentage


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds with its sample standard deviation and 95 % interval, where n allows them."""

    mean: float
    n: int
    std: float | None = None  # with n - 1 in the denominator
    low: float | None = None
    high: float | None = None

    @property
    def leaves_out_zero(self) -> bool:
        """Whether zero lies outside the interval: of differences, whether one is found."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Published:
    """A figure of a paper: its mean, its seeds, and either the standard deviation or the standard error."""

    mean: float
    n: int | None = None
    std: float | None = None
    sem: float | None = None  # used with n where no std is given

    @property
    def deviation(self) -> float | None:
        """The standard deviation over seeds, if the paper gives enough to know it."""
        if self.std is None and self.sem is not None and self.n is not None:
            return self.sem * math.sqrt(self.n)
        return self.std


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and 95 % t interval of one number per seed.

    >>> estimate([0.5, 0.7]).mean
    0.6
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Estimate(mean, n)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_quantile(n - 1) * std / math.sqrt(n)
    return Estimate(mean, n, std, mean - half, mean + half)


def t_quantile(freedom: float, probability: float = 0.975) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # slow to import, rarely needed

    return float(stdtrit(freedom, probability))


def welch_half_width(ours: Estimate, published: Published) -> float:
    """Half the 95 % interval of the difference of the two means; 0 where either spread is not known."""
    spread, n = published.deviation, published.n
    if ours.std is None or spread is None or n is None or n < 2:
        return 0.0
    a, b = ours.std**2 / ours.n, spread**2 / n
    if a + b == 0:
        return 0.0
    freedom = (a + b) ** 2 / (a**2 / (ours.n - 1) + b**2 / (n - 1))
    return t_quantile(freedom) * math.sqrt(a + b)


def verdict(ours: Estimate, published: Published) -> Verdict:
    """Does our figure agree with a published one?

    `match` within the larger of Welch's 95 % half-width and one point, `close` within three points, else `above`
    or `below`; `unverifiable` where the paper gives neither the number of seeds nor a standard deviation.

    >>> verdict(estimate([0.930, 0.934]), Published(0.9346, n=10, std=0.02))
    'match'
    """
    if published.n is None and published.deviation is None:
        return "unverifiable"
    difference = ours.mean - published.mean
    rounding = 1e-9
    if abs(difference) <= max(welch_half_width(ours, published), POINT) + rounding:
        return "match"
    if abs(difference) <= 3 * POINT + rounding:
        return "close"
    return "above" if difference > 0 else "below"

"""Numbers as people read them. Fractions are shown in per cent."""

from ..estimates import Estimate

DASH = "–"


def percent(value: float, digits: int = 2) -> str:
    """A fraction in per cent, without the sign.

    >>> percent(0.6178)
    '61.78'
    """
    text = f"{100 * value:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else f"{0:.{digits}f}"


def with_spread(estimate: Estimate, digits: int = 2) -> str:
    """Mean and standard deviation over seeds in per cent; the mean alone where there is one seed.

    >>> with_spread(Estimate(0.6178, 3, 0.0212))
    '61.78 ± 2.12'
    """
    if estimate.std is None:
        return percent(estimate.mean, digits)
    return f"{percent(estimate.mean, digits)} ± {percent(estimate.std, digits)}"


def size(count: float) -> str:
    """Bytes in the largest unit that leaves a number of at least one.

    >>> size(1_912_345)
    '1.9 MB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}" if count < 100 * factor else f"{count / factor:.0f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """A length of time, short.

    >>> duration(75), duration(0.042)
    ('1 min 15 s', '0.04 s')
    """
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"

"""The kinds of numbers that hyper-parameters are. Python ignores the bounds; the settings are checked by them."""

from typing import Annotated

from annotated_types import Ge, Gt, Le

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
PositiveInt = Annotated[int, Gt(0)]
Count = Annotated[int, Ge(0)]

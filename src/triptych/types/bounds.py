"""What a setting may be, written on the keyword that takes it.

``learning_rate: Annotated[float, AtLeast(1e-12)]``, ``td_loss: Literal["huber", "squared"]``, ``seed: Seed``: the check
of a command line reads the ranges from the constructors' signatures, so they stand nowhere else.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

MAX_COUNT = 10**15  # of whatever a machine may ever count, far inside 64 bits
FARTHEST_BOUND = 1e6  # of actions and observations; what lies beyond is how users say that there is no bound
MAX_SEED = 2**31 - 1  # the emulator's seeds are 32-bit integers


class Between(NamedTuple):
    """From ``low`` to ``high``, both allowed."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def describe(self) -> str:
        high = f"{self.high:,.0f}" if 1e4 <= self.high < 1e16 else f"{self.high:g}"
        return f"from {self.low:g} to {high}"


class Below(NamedTuple):
    """From ``low`` to ``high``, which itself is not allowed."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value < self.high

    def describe(self) -> str:
        return f"from {self.low:g} to less than {self.high:g}"


class AtLeast(NamedTuple):
    """From ``low`` up, short of infinity."""

    low: float

    def holds(self, value: float) -> bool:
        return self.low <= value < float("inf")

    def describe(self) -> str:
        return f"from {self.low:g} up"


class AtLeastOrInfinite(NamedTuple):
    """From ``low`` up, infinity allowed."""

    low: float

    def holds(self, value: float) -> bool:
        return self.low <= value

    def describe(self) -> str:
        return f"from {self.low:g} up, or inf"


class KeywordsOf(NamedTuple):
    """The keyword is a dict of keywords for the constructor that this attribute of the class names."""

    attribute: str


Seed = Annotated[int, Between(0, MAX_SEED)]
Count = Annotated[int, Between(1, MAX_COUNT)]
CountOrZero = Annotated[int, Between(0, MAX_COUNT)]
Fraction = Annotated[float, Between(0, 1)]
Decay = Annotated[float, Below(0, 1)]  # of an average, which with 1 would stay what it was
Coefficient = Annotated[float, AtLeast(0)]
Positive = Annotated[float, Between(1e-12, 1e30)]  # within single precision

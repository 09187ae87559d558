"""From which episodes evaluations start: those of one purpose are not those of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import NamedTuple

from triptych.collect.collector import episode_seed

# Environments of these indices play evaluations: no training episode ever starts from their seeds.
# Validation during the run, the final test, whoever asks later (scripts/evaluate.py), and the confirmation of "solved".
VALIDATION_STREAM, TEST_STREAM, EVALUATE_STREAM, CONFIRM_STREAM = 2**30, 2**30 + 1, 2**30 + 2, 2**30 + 3
START_STREAM = 2**30 + 4  # of the seeds that stand for the starts, where these are few

OPENING_ENV_STEPS = 10  # random actions that make one start many


class Start(NamedTuple):
    """How one evaluation episode begins."""

    seed: int
    num_random_actions: int = 0  # env steps with random actions, drawn from the seed, before the policy plays


class FewStartsPlan:
    """Deals the few starts of a deterministic game to validation, test and confirmation, in this order.

    On Atari without sticky actions a seed decides the number of no-ops alone, so there are 30 starts, and a policy
    that hardly ever acts at random plays the same game again from each of them. Each purpose gets starts of its own,
    without repetition while they last: with 10 validation episodes, 10 of the test and 10 of a confirmation, all 30
    differ. Episodes beyond, and all that somebody asks for later, begin with `OPENING_ENV_STEPS` random actions, of
    their own seed each.

    Args:
        seed: of the run; it decides which starts come first.
        num_starts: of the game.
        start_of: maps a seed to its start.
        num_validation, num_test: episodes of these purposes.
    """

    def __init__(
        self, seed: int, num_starts: int, start_of: Callable[[int], int], num_validation: int, num_test: int
    ) -> None:
        self.seed = seed
        self._seeds = list(islice(self._distinct(start_of), num_starts))
        self._offsets = {
            VALIDATION_STREAM: 0,
            TEST_STREAM: num_validation,
            CONFIRM_STREAM: num_validation + num_test,
            EVALUATE_STREAM: num_starts,
        }

    def _distinct(self, start_of: Callable[[int], int]) -> Iterator[int]:
        """Yield seeds of different starts, as long as there are any."""
        seen: set[int] = set()
        for index in count():
            seed = episode_seed(self.seed, START_STREAM, index)
            if (start := start_of(seed)) not in seen:
                seen.add(start)
                yield seed

    def starts(self, stream: int, num_episodes: int) -> list[Start]:
        """Return how the first episodes of a stream begin, always the same ones."""
        first = self._offsets[stream]
        plain = [Start(seed) for seed in self._seeds[first : first + num_episodes]]
        later = (episode_seed(self.seed, stream, index) for index in range(len(plain), num_episodes))
        return plain + [Start(seed, OPENING_ENV_STEPS) for seed in later]

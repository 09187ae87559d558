"""Recommending to users who get bored: SARDINE (Deffayet et al. 2024), one item at a time or a slate of several."""

from __future__ import annotations

from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from triptych.types import ConfigurationError

Shown = Literal["user", "history"]
Action = Literal["item", "topics"]
NUM_ITEMS = 1000  # of SARDINE's
BAR_HEIGHT, BAR_WIDTH = 128, 24  # pixels of a picture, of one topic
GREY, GREEN, RED, YELLOW = (96, 96, 96), (60, 180, 75), (200, 60, 60), (230, 200, 60)


class Recommender(gymnasium.Env):
    """One user, to whom one of 1,000 items is shown at a time, or a slate of several; 1 for each click.

    A user likes some of ten topics, and an item is about two or three. Who is bored clicks nothing for a while: with
    ``boredom``, after five clicks on items of one topic within five steps and among the last ten clicks, for five
    steps; what is liked moves a little with clicks then, too. The time is not seen, so its end, after 100 steps, is a
    truncation.

    The first place of a slate is always looked at, each further one 0.85 times as often as the one before it. Each is
    clicked or not whatever the others are, so an item that stands in a slate twice may be clicked twice.
    ``info["clicks"]`` says which were, ``[slate_size]``.

    Args:
        boredom: users get bored.
        shows: ``user``: what the user likes now, 0 where bored, how much there was of each topic lately, and the time
            until it is not boring; ``history``: the latter's first part alone, and what was clicked and was not in this
            session, as sums of the items' topics. ``[30]`` float32 both.
        action: ``item``: its number, of a slate one for each place; ``topics``: ten numbers from 0 to 1, of which the
            item that has most is shown, or the different items that have most, the first of them in the first place.
        render_mode: ``rgb_array`` or none: a bar for each topic, as high as it is liked; the topics of the items in
            green where one was clicked and in red where none was, with yellow behind them while the user is bored.
        slate_size: items that are shown at once.

    Raises:
        ConfigurationError: a keyword is not one of these.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(
        self,
        boredom: bool = True,
        shows: Shown = "user",
        action: Action = "item",
        render_mode: str | None = None,
        slate_size: int = 1,
    ) -> None:
        import sardine  # noqa: F401  (only who plays it needs it; it registers its own)

        if not isinstance(boredom, bool):
            raise ConfigurationError(f"env.make_kwargs.boredom={boredom} is not allowed: it takes true or false.")
        for key, value, kinds in (("shows", shows, get_args(Shown)), ("action", action, get_args(Action))):
            if value not in kinds:
                raise ConfigurationError(
                    f"env.make_kwargs.{key}={value} is not allowed: it takes {' or '.join(kinds)}."
                )
        self.render_mode, self._shows = render_mode, shows
        name = "sardine/SingleItem-BoredInf-v0" if boredom else "sardine/SingleItem-Static-v0"
        if type(slate_size) is not int or not 1 <= slate_size <= NUM_ITEMS:
            raise ConfigurationError(
                f"env.make_kwargs.slate_size={slate_size} is not allowed: it takes 1 to {NUM_ITEMS:,}."
            )
        self.slate_size = slate_size
        users: Any = gymnasium.make(name, slate_size=slate_size, disable_env_checker=True).unwrapped
        self._users = users
        self.items = self._users.item_embedd.astype(np.float32)  # [items, topics]
        self.num_topics = self.items.shape[1]
        self._is_number = action == "item"
        numbers = Discrete(NUM_ITEMS) if slate_size == 1 else MultiDiscrete([NUM_ITEMS] * slate_size)
        self.action_space = numbers if self._is_number else Box(0.0, 1.0, (self.num_topics,), np.float32)
        high = np.inf if shows == "history" else 1.0
        self.observation_space = Box(-high, high, (3 * self.num_topics,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        _, info = self._users.reset(seed=int(self.np_random.integers(2**31)))
        self._sums = np.zeros((2, self.num_topics), np.float32)  # of what was shown: not clicked, clicked
        self._is_clicked: dict[int, bool] = {}  # by the topics of the items shown last
        return self._observe(info), {}

    def step(self, action: Any):
        slate = np.reshape(action, self.slate_size) if self._is_number else self._most(self.items @ action)
        _, reward, is_over, _, info = self._users.step(slate)
        clicks = info["clicks"]
        self._is_clicked = {}
        for item, is_clicked in zip(slate.tolist(), clicks.astype(bool).tolist(), strict=True):
            topic = int(self._users.item_comp[item])
            self._is_clicked[topic] = is_clicked or self._is_clicked.get(topic, False)
            self._sums[int(is_clicked)] += self.items[item]
        return self._observe(info), float(reward), False, bool(is_over), {"clicks": clicks}

    def _most(self, scores: np.ndarray) -> np.ndarray:
        """Return the items of the largest scores, the best first; of equal ones the one of the lower number."""
        return np.argsort(-scores, kind="stable")[: self.slate_size]

    def _observe(self, info: dict[str, Any]) -> np.ndarray:
        state = np.asarray(info["user_state"], np.float32)
        if self._shows == "user":
            return state
        return np.concatenate([state[self.num_topics : 2 * self.num_topics], *self._sums])

    def best_slate(self) -> np.ndarray:
        """Return the items that the user would click on most likely now, which nobody knows who recommends."""
        return self._most(self._users.item_embedd @ self._users.cur_user_embedd)

    def render(self) -> np.ndarray:
        picture = np.zeros((BAR_HEIGHT, self.num_topics * BAR_WIDTH, 3), np.uint8)
        if self._users.bored.any():
            picture[: BAR_HEIGHT // 4] = YELLOW
        for topic, liked in enumerate(self._users.user_embedd):
            height = max(2, int(liked * BAR_HEIGHT))
            color = {None: GREY, True: GREEN, False: RED}[self._is_clicked.get(topic)]
            picture[BAR_HEIGHT - height :, topic * BAR_WIDTH + 2 : (topic + 1) * BAR_WIDTH - 2] = color
        return picture


gymnasium.register("Recommender-v0", entry_point="triptych.envs.recommender:Recommender")

"""Recommending to users who get bored: SARDINE (Deffayet et al. 2024), one item at a time."""

from __future__ import annotations

from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from triptych.types import ConfigurationError

Shown = Literal["user", "history"]
Action = Literal["item", "topics"]
BAR_HEIGHT, BAR_WIDTH = 128, 24  # pixels of a picture, of one topic
NO_TOPIC = -1  # before the first item
GREY, GREEN, RED, YELLOW = (96, 96, 96), (60, 180, 75), (200, 60, 60), (230, 200, 60)


class Recommender(gymnasium.Env):
    """One user, to whom one of 1,000 items is shown at a time; 1 for a click.

    A user likes some of ten topics, and an item is about two or three. Who is bored clicks nothing for a while: with
    ``boredom``, after five clicks in a row on items of one topic. What is liked moves with what is clicked then, too.
    The time is not seen, so its end, after 100 items, is a truncation.

    Args:
        boredom: users get bored.
        shows: ``user``: what the user likes now, 0 where bored, how much there was of each topic lately, and the time
            until it is not boring; ``history``: the latter's first part alone, and what was clicked and was not in this
            session, as sums of the items' topics. ``[30]`` float32 both.
        action: ``item``: its number; ``topics``: ten numbers from 0 to 1, of which the item that has most is shown.
        render_mode: ``rgb_array`` or none: a bar for each topic, as high as it is liked; the topic of the item in green
            where it was clicked and in red where not, with yellow behind it while the user is bored.

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
        users: Any = gymnasium.make(name, disable_env_checker=True).unwrapped
        self._users = users
        self.items = self._users.item_embedd.astype(np.float32)  # [items, topics]
        self.num_topics = self.items.shape[1]
        self._is_number = action == "item"
        topics = Box(0.0, 1.0, (self.num_topics,), np.float32)
        self.action_space = Discrete(len(self.items)) if self._is_number else topics
        high = np.inf if shows == "history" else 1.0
        self.observation_space = Box(-high, high, (3 * self.num_topics,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        _, info = self._users.reset(seed=int(self.np_random.integers(2**31)))
        self._sums = np.zeros((2, self.num_topics), np.float32)  # of what was shown: not clicked, clicked
        self._topic, self._is_clicked = NO_TOPIC, False
        return self._observe(info), {}

    def step(self, action: Any):
        item = int(action) if self._is_number else int(np.argmax(self.items @ action))
        _, reward, is_over, _, info = self._users.step(np.array([item]))
        self._topic, self._is_clicked = int(self._users.item_comp[item]), bool(reward)
        self._sums[int(self._is_clicked)] += self.items[item]
        return self._observe(info), float(reward), False, bool(is_over), {}

    def _observe(self, info: dict[str, Any]) -> np.ndarray:
        state = np.asarray(info["user_state"], np.float32)
        if self._shows == "user":
            return state
        return np.concatenate([state[self.num_topics : 2 * self.num_topics], *self._sums])

    def best_item(self) -> int:
        """Return what the user would click on most likely now, which nobody knows who recommends."""
        return int(np.argmax(self._users.item_embedd @ self._users.cur_user_embedd))

    def render(self) -> np.ndarray:
        picture = np.zeros((BAR_HEIGHT, self.num_topics * BAR_WIDTH, 3), np.uint8)
        if self._users.bored.any():
            picture[: BAR_HEIGHT // 4] = YELLOW
        for topic, liked in enumerate(self._users.user_embedd):
            height = max(2, int(liked * BAR_HEIGHT))
            color = GREY if topic != self._topic else GREEN if self._is_clicked else RED
            picture[BAR_HEIGHT - height :, topic * BAR_WIDTH + 2 : (topic + 1) * BAR_WIDTH - 2] = color
        return picture


gymnasium.register("Recommender-v0", entry_point="triptych.envs.recommender:Recommender")

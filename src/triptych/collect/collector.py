"""The collector: autoreset, termination and truncation are resolved here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from triptych import ranks
from triptych.collect.finite import check_finite
from triptych.collect.restore import Diverged, digest, replay_running
from triptych.collect.sides import Sides
from triptych.types import Actions, Episode, Game, Step

Act = Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]]  # observation [N] -> action [N], extras
BeginEpisodes = Callable[[np.ndarray], None]  # is_first [N] bool, before `Act` is asked for actions there


def remember_nothing(is_first: np.ndarray) -> None:
    """Ignore that episodes begin: what who acts without a memory needs to know of it."""


def episode_seed(seed: int, env_index: int, episode_index: int) -> int:
    """Derive the seed from which one episode starts; 31 bits, the widest that the emulator takes."""
    return int(np.random.SeedSequence((seed, env_index, episode_index)).generate_state(1)[0] & 0x7FFFFFFF)


class Collector:
    """Plays N environments, one vector step at a time.

    `send` chooses and sends actions and returns at once, so that the emulators run while the learner updates;
    `receive` waits for their results. An episode that ends is restarted from its own seed inside `receive`,
    so the environments never take the pseudo-step of an automatic reset.

    Where a run has several processes, each plays N of the run's environments, which are counted through.

    Args:
        game: environments that nobody else steps.
        act: maps observations ``[N, *observation_shape]`` to actions ``[N, *action_shape]`` and extras.
        seed: of the run; each episode's seed derives from it.
        clip_rewards: learn from the sign of the reward (Mnih et al. 2015, Methods). Statistics stay unclipped.
        life_loss_is_terminal: a lost life is worth a termination to the learner; the game goes on.
        begin_episodes: is told before ``act`` which environments ``[N]`` begin an episode.
    """

    def __init__(
        self,
        game: Game,
        act: Act,
        seed: int,
        *,
        clip_rewards: bool = False,
        life_loss_is_terminal: bool = False,
        begin_episodes: BeginEpisodes = remember_nothing,
    ) -> None:
        self.game, self.act, self.begin_episodes, self.seed = game, act, begin_episodes, seed
        self.clip_rewards, self.life_loss_is_terminal = clip_rewards, life_loss_is_terminal
        self.env_steps = 0  # received so far, over all environments
        self._first_index = game.num_envs * ranks.rank()  # of the run's environments
        self._next_episode_index = [0] * game.num_envs
        self._running: list[Episode] = []
        self._is_in_flight = False
        self._observation = self._action = np.empty(0)
        self._lives = np.zeros(game.num_envs, dtype=np.int64)
        self._is_first = np.ones(game.num_envs, dtype=bool)
        self._sides = Sides(game.num_envs)
        self._extras: dict[str, np.ndarray] = {}

    def send(self) -> None:
        """Choose actions for the latest observations and send them."""
        if not self._running:
            self._start()
        if self._is_first.any():
            self.begin_episodes(self._is_first)
        self._action, self._extras = self.act(self._observation)
        self.game.send(self._action)
        self._is_in_flight = True

    def receive(self) -> tuple[Step, list[Episode]]:
        """Wait for the results of the last `send`; return them and the episodes that ended with them."""
        if not self._is_in_flight:
            self.send()
        received = self.game.receive()
        self._is_in_flight = False
        self.env_steps += self.game.num_envs * ranks.size()

        # Truncation cuts the window and keeps the future's worth; termination takes it away.
        is_over, passes = received.terminated | received.truncated, received.turn_passes
        is_terminal = received.terminated
        if self.life_loss_is_terminal:
            is_terminal = is_terminal | (received.lives < self._lives)
        step = Step(
            observation=self._observation,
            action=self._action,
            reward=np.sign(received.reward) if self.clip_rewards else received.reward,
            is_terminal=is_terminal,
            is_last=is_over | is_terminal,
            is_first=self._is_first,
            next_observation=received.observation,
            extras=self._extras if passes is None else self._extras | {"turn_passes": passes},
        )
        rewards = self._sides.rewards(received)
        for episode, action, reward in zip(self._running, self._action, rewards.tolist(), strict=True):
            episode.actions.append(action)
            episode.episode_return += reward
        self._check("reward", received.reward)
        self._check("observation", received.observation)
        self._observation, self._lives, self._is_first = received.observation, received.lives, is_over
        self._sides.begin(is_over)
        return step, self._restart(is_over, received.truncated) if is_over.any() else []

    def _start(self) -> None:
        num_envs = self.game.num_envs
        self._running = [self._new_episode(env_index) for env_index in range(num_envs)]
        seeds = np.array([episode.seed for episode in self._running])
        self._observation, self._lives = self.game.reset(seeds, np.ones(num_envs, dtype=bool))
        self._is_first = np.ones(num_envs, dtype=bool)
        self._sides.begin()
        self._check("observation", self._observation)

    def _check(self, what: str, values: np.ndarray) -> None:
        check_finite(self.game.spec.name, what, values, self._running)

    def _restart(self, is_over: np.ndarray, truncated: np.ndarray) -> list[Episode]:
        ended = []
        for env_index in np.flatnonzero(is_over).tolist():
            episode = self._running[env_index]
            episode.length = len(episode.actions)
            episode.is_truncated = bool(truncated[env_index])
            episode.frames = self.env_steps * self.game.spec.frame_skip
            ended.append(episode)
            self._running[env_index] = self._new_episode(env_index)
        seeds = np.array([self._running[env_index].seed for env_index in np.flatnonzero(is_over)])
        observation, lives = self.game.reset(seeds, is_over)
        self._observation = observation.copy()  # the step just made still refers to the last observations
        self._lives = np.where(is_over, lives, self._lives)
        self._check("observation", self._observation)
        return ended

    def _new_episode(self, env_index: int) -> Episode:
        episode_index = self._next_episode_index[env_index]
        self._next_episode_index[env_index] += 1
        index = self._first_index + env_index
        return Episode(index, episode_index, episode_seed(self.seed, index, episode_index))

    def state_dict(self) -> dict[str, Any]:
        """Return the clock, the running episodes as seeds and actions, and the actions in flight."""
        state = {"env_steps": self.env_steps, "next_episode_index": list(self._next_episode_index)}
        if not self._running:
            return state
        return state | {
            "running": [
                {
                    "episode_index": episode.episode_index,
                    "episode_return": episode.episode_return,
                    "actions": torch.tensor(episode.actions.array),
                }
                for episode in self._running
            ],
            "digest": digest(self._observation),
            "lives": torch.tensor(self._lives),
            "side": torch.tensor(self._sides.sign),
            "is_first": torch.tensor(self._is_first),
            "in_flight": self._in_flight(),
        }

    def _in_flight(self) -> dict[str, Any] | None:
        if not self._is_in_flight:
            return None
        extras = {name: torch.tensor(extra) for name, extra in self._extras.items()}
        return {"action": torch.tensor(self._action), "extras": extras}

    def load_state_dict(self, state: dict[str, Any]) -> str | None:
        """Bring the environments back to where they stood, and send what was in flight.

        Returns:
            Why that cannot be, or ``None``. Then new episodes start, as if the old ones had been truncated.
        """
        self.env_steps = state["env_steps"]
        self._next_episode_index = list(state["next_episode_index"])
        if "running" not in state:
            return None
        try:
            self._restore(state)
        except Diverged as error:
            return str(error)
        except Exception as error:  # an environment may fail in any way where it should not be
            return f"{type(error).__name__}: {error}"
        return None

    def _restore(self, state: dict[str, Any]) -> None:
        running = []
        for env_index, entry in enumerate(state["running"]):
            index = self._first_index + env_index
            seed = episode_seed(self.seed, index, entry["episode_index"])
            actions = Actions.of(entry["actions"].numpy())
            running.append(
                Episode(
                    index,
                    entry["episode_index"],
                    seed,
                    episode_return=entry["episode_return"],
                    actions=actions,
                )
            )
        observation, lives = replay_running(self.game, running)
        if digest(observation) != state["digest"] or lives.tolist() != state["lives"].tolist():
            raise Diverged("it came to another state")
        self._running, self._observation, self._lives = running, observation, lives
        self._is_first = state["is_first"].numpy().copy()
        if "side" in state:  # earlier checkpoints are of one player
            self._sides.sign = state["side"].numpy().copy()
        if state["in_flight"] is not None:
            self._action = state["in_flight"]["action"].numpy()
            self._extras = {name: extra.numpy() for name, extra in state["in_flight"]["extras"].items()}
            self.game.send(self._action)
            self._is_in_flight = True

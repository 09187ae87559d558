"""Play a recommender's users with contextual bandits, which look no further than the next click.

python scripts/bandits.py                                       users who get bored
python scripts/bandits.py --static                              who do not
python scripts/bandits.py --slate-size 5                        five items at once
python scripts/bandits.py --seeds 1 2 3 4 5 --out docs/results/bandits_recommender.json
python scripts/bandits.py --runs outputs/ppo/recommender        with runs of env=recommender in the same table

Each bandit meets one user after the other and learns from every click one linear model of all items, whose features are
the products of what the user likes and what the item is about. A return is the number of clicks of one user; the table
shows the mean over the last half of the users, when it has learnt, beside chance and an oracle of the next click. In a
slate a bandit shows the items of the largest scores, the best in the first place, and learns from each place as from an
item alone; so does the oracle show them, and chance any items.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from triptych.envs.extras import require_extra
from triptych.envs.recommender import NUM_ITEMS  # which registers it, too
from triptych.files import read_json
from triptych.provenance.code import write_measurement
from triptych.run.arguments import ScriptParser, whole_number
from triptych.run.exit_codes import exit_code_of
from triptych.types import ConfigurationError
from triptych.types.bounds import MAX_SEED

ID = "Recommender-v0"
Learn = Callable[[np.ndarray], None]  # from the clicks [K] on a slate
Scores = Callable[["LinearModel", np.ndarray], np.ndarray]  # of all items [A], by their features [A, F]


class LinearModel:
    """Ridge regression of clicks on features, brought up to date click by click (Sherman and Morrison 1950).

    Args:
        num_features: F.
        ridge: how strongly the weights are held at 0.
    """

    def __init__(self, num_features: int, ridge: float = 1.0) -> None:
        self.covariance = np.eye(num_features) / ridge  # [F, F], but for the noise
        self.sums = np.zeros(num_features)

    @property
    def weights(self) -> np.ndarray:
        return self.covariance @ self.sums

    def learn(self, features: np.ndarray, reward: float) -> None:
        moved = self.covariance @ features
        self.covariance -= np.outer(moved, moved) / (1 + features @ moved)
        self.sums += reward * features


class EpsilonGreedy:
    """The best item by the model, and with ``epsilon`` any."""

    def __init__(self, generator: np.random.Generator, epsilon: float = 0.05) -> None:
        self.generator, self.epsilon = generator, epsilon

    def __call__(self, model: LinearModel, features: np.ndarray) -> np.ndarray:
        if self.generator.random() < self.epsilon:
            return self.generator.random(len(features))
        return features @ model.weights


class LinUCB:
    """The mean and ``width`` deviations above it (Li et al. 2010, with one model of all items)."""

    def __init__(self, generator: np.random.Generator, width: float = 0.5) -> None:
        self.width = width

    def __call__(self, model: LinearModel, features: np.ndarray) -> np.ndarray:
        variances = np.einsum("af,af->a", features @ model.covariance, features)
        return features @ model.weights + self.width * np.sqrt(np.maximum(variances, 0))


class Thompson:
    """Weights drawn from what the model holds possible (Agrawal and Goyal 2013)."""

    def __init__(self, generator: np.random.Generator, scale: float = 0.2) -> None:
        self.generator, self.scale = generator, scale

    def __call__(self, model: LinearModel, features: np.ndarray) -> np.ndarray:
        root = np.linalg.cholesky(model.covariance + 1e-10 * np.eye(len(model.sums)))
        return features @ (model.weights + self.scale * root @ self.generator.normal(size=len(model.sums)))


BANDITS: dict[str, Callable[[np.random.Generator], Scores]] = {
    "epsilon-greedy": EpsilonGreedy,
    "LinUCB": LinUCB,
    "Thompson sampling": Thompson,
}


def features_of(observation: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the products of a user's and the items' topics, ``[A, T · T]``, and a 1 behind them."""
    user = observation[: items.shape[1]]
    products = (items[:, :, None] * user).reshape(len(items), -1)
    return np.concatenate([products, np.ones((len(items), 1), products.dtype)], axis=1)


def play_bandit(env: gymnasium.Env, scores: Scores, users: int, seed: int) -> np.ndarray:
    """Meet users and learn; return the clicks of each, ``[users]``."""
    inner: Any = env.unwrapped
    model: LinearModel | None = None

    def choose(observation: np.ndarray) -> tuple[np.ndarray, Learn]:
        nonlocal model
        features = features_of(observation, inner.items)
        model = model or LinearModel(features.shape[1])
        slate, learner = np.argsort(-scores(model, features), kind="stable")[: inner.slate_size], model

        def learn(clicks: np.ndarray) -> None:
            for item, click in zip(slate, clicks, strict=True):
                learner.learn(features[item], float(click))

        return slate, learn

    return play(env, choose, users, seed)


def play(
    env: gymnasium.Env, choose: Callable[[np.ndarray], tuple[np.ndarray, Learn]], users: int, seed: int
) -> np.ndarray:
    """Play whole sessions of slates ``[K]``, and hand the clicks ``[K]`` to what was given with each slate."""
    returns = np.zeros(users)
    for user in range(users):
        observation, _ = env.reset(seed=1_000_000 * seed + user)
        is_over = False
        while not is_over:
            slate, learn = choose(observation)
            action = slate.reshape(env.action_space.shape or ())
            observation, reward, terminated, truncated, info = env.step(action)
            learn(info["clicks"])
            returns[user] += float(reward)
            is_over = terminated or truncated
    return returns


def _without_learning(slate: Callable[[], np.ndarray]) -> Callable[[np.ndarray], tuple[np.ndarray, Learn]]:
    return lambda observation: (slate(), lambda clicks: None)


def measure(boredom: bool, users: int, seed: int, slate_size: int = 1) -> dict[str, float]:
    """Return the mean return of each way of playing, over the last half of the users."""
    env = gymnasium.make(ID, boredom=boredom, slate_size=slate_size, disable_env_checker=True)
    inner: Any = env.unwrapped
    generator = np.random.default_rng(seed)
    fixed: dict[str, Callable[[], np.ndarray]] = {
        "chance": lambda: np.array([generator.integers(len(inner.items)) for _ in range(slate_size)]),
        "oracle of the next click": inner.best_slate,
    }
    found = {name: play(env, _without_learning(slate), users, seed) for name, slate in fixed.items()}
    for name, make in BANDITS.items():
        found[name] = play_bandit(env, make(np.random.default_rng(seed)), users, seed)
    env.close()
    return {name: float(returns[users // 2 :].mean()) for name, returns in found.items()}


def read_runs(folders: list[Path], env: str) -> dict[str, list[float]]:
    """Return the mean return of the final evaluation of each run of an environment below these folders, by algorithm.

    Raises:
        ConfigurationError: a summary cannot be read, or there is no such run below a folder.
    """
    found: dict[str, list[float]] = {}
    for folder in folders:
        is_empty = True
        for path in sorted(folder.rglob("summary.json")):
            try:
                summary = read_json(path)
                if summary["env"] == env and summary.get("eval_returns"):
                    found.setdefault(f"algo={summary['algo']}", []).append(float(np.mean(summary["eval_returns"])))
                    is_empty = False
            except (ValueError, TypeError, KeyError) as error:
                raise ConfigurationError(f"{path} cannot be read: {error}.") from error
        if is_empty:
            raise ConfigurationError(f"--runs {folder} is not allowed: there is no finished run of env={env} below it.")
    return found


def compare(arguments: list[str]) -> None:
    """Play, print the table and write it.

    Raises:
        ConfigurationError: an argument cannot be used, or the simulator is not installed.
    """
    parser = ScriptParser(__doc__)
    parser.add_argument("--static", action="store_true", help="users who are never bored")
    parser.add_argument("--slate-size", type=whole_number(1, NUM_ITEMS), default=1, help="items that are shown at once")
    parser.add_argument(
        "--users", type=whole_number(2), default=100, help="that each bandit meets, one after the other"
    )
    parser.add_argument("--seeds", type=whole_number(0, MAX_SEED), nargs="+", default=[1])
    parser.add_argument("--runs", type=Path, nargs="+", default=[], help="folders of runs to put into the table")
    parser.add_out()
    options = parser.parse_args(arguments)
    require_extra(ID)
    runs = read_runs(options.runs, "recommender_static" if options.static else "recommender")
    rows: dict[str, list[float]] = {}
    for seed in options.seeds:
        for name, value in measure(not options.static, options.users, seed, options.slate_size).items():
            rows.setdefault(name, []).append(value)
    rows |= runs
    print(f"| Who recommends | Clicks of {100 * options.slate_size:,} | Seeds |\n|---|---|---|")
    for name, values in sorted(rows.items(), key=lambda row: np.mean(row[1])):
        print(f"| {name} | {np.mean(values):.1f} ({min(values):.1f} to {max(values):.1f}) | {len(values)} |")
    if options.out is not None:
        played = {"boredom": not options.static, "slate_size": options.slate_size, "users": options.users}
        found = played | {"returns": rows}
        write_measurement(options.out, Path(__file__).name, arguments, found)


def main(arguments: list[str]) -> int:
    """Compare and return the exit code."""
    return exit_code_of(lambda: compare(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

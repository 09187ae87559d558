import json
import sys

import gymnasium
import numpy as np
import pytest

from scripts import bandits
from tests.front_door import call

pytest.importorskip("sardine", reason="the recommender needs sardine-rec")


def test_the_model_is_ridge_regression():
    generator = np.random.default_rng(0)
    features, rewards = generator.normal(size=(40, 5)), generator.normal(size=40)
    model = bandits.LinearModel(5, ridge=2.0)
    for one, reward in zip(features, rewards, strict=True):
        model.learn(one, reward)
    gram = features.T @ features + 2.0 * np.eye(5)
    np.testing.assert_allclose(model.covariance, np.linalg.inv(gram))
    np.testing.assert_allclose(model.weights, np.linalg.solve(gram, features.T @ rewards))


def test_features_of_a_product_are_linear_in_what_a_user_likes():
    items, user = np.random.default_rng(0).normal(size=(2, 7, 3))[0], np.array([0.5, 0.0, 2.0])
    features = bandits.features_of(np.concatenate([user, np.ones(6)]), items)
    assert features.shape == (7, 10)
    weights = np.concatenate([np.eye(3).ravel(), [1.0]])
    np.testing.assert_allclose(features @ weights, items @ user + 1)


def test_an_item_of_which_nothing_is_known_is_tried_by_an_upper_bound():
    model, features = bandits.LinearModel(2), np.eye(2)
    for _ in range(20):
        model.learn(features[0], 0.3)
    generator = np.random.default_rng(0)
    assert np.argmax(bandits.EpsilonGreedy(generator, epsilon=0.0)(model, features)) == 0
    assert np.argmax(bandits.LinUCB(generator)(model, features)) == 1
    drawn = [np.argmax(bandits.Thompson(generator, scale=1.0)(model, features)) for _ in range(50)]
    assert {*drawn} == {0, 1}


def test_a_bandit_learns_what_users_like():
    env = gymnasium.make(bandits.ID, boredom=False, disable_env_checker=True)
    returns = bandits.play_bandit(env, bandits.LinUCB(np.random.default_rng(0)), users=6, seed=1)
    assert returns[-2:].mean() > 50  # chance makes about 8


def test_the_table_has_runs_beside_the_bandits(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"algo": "ppo", "eval_returns": [70, 72]}))
    out = tmp_path / "found.json"
    result = call(bandits.main, "bandits.py", "--users", 2, "--runs", tmp_path, "--out", out)
    assert result.returncode == 0, result.stderr
    assert "| algo=ppo | 71.0 (71.0 to 71.0) | 1 |" in result.stdout
    assert {*json.loads(out.read_text())["returns"]} > {"chance", "LinUCB", "algo=ppo"}


def test_bad_input_is_told(monkeypatch):
    assert call(bandits.main, "bandits.py", "--users", 1).returncode == 2
    monkeypatch.setitem(sys.modules, "sardine", None)
    result = call(bandits.main, "bandits.py")
    assert result.returncode == 2
    assert 'pip install -e ".[recommender]"' in result.stderr

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
    for env, returns in (("recommender", [70, 72]), ("recommender_static", [90, 90])):
        (tmp_path / env).mkdir()
        summary = {"algo": "ppo", "env": env, "eval_returns": returns}
        (tmp_path / env / "summary.json").write_text(json.dumps(summary))
    out = tmp_path / "found.json"
    result = call(bandits.main, "bandits.py", "--users", 2, "--runs", tmp_path, "--out", out)
    assert result.returncode == 0, result.stderr
    assert "| algo=ppo | 71.0 (71.0 to 71.0) | 1 |" in result.stdout
    assert {*json.loads(out.read_text())["returns"]} > {"chance", "LinUCB", "algo=ppo"}
    result = call(bandits.main, "bandits.py", "--users", 2, "--runs", tmp_path / "recommender_static")
    assert result.returncode == 2
    assert "there is no finished run of env=recommender below it" in result.stderr


def test_a_bandit_learns_to_make_slates():
    env = gymnasium.make(bandits.ID, boredom=False, slate_size=3, disable_env_checker=True)
    returns = bandits.play_bandit(env, bandits.LinUCB(np.random.default_rng(0)), users=6, seed=1)
    most = 100 * (1 + 0.85 + 0.85**2)  # when every place that is looked at is clicked
    assert most / 2 < returns[-2:].mean() < most + 20


def test_a_slate_has_the_largest_scores_and_each_place_teaches_its_own_click():
    env = gymnasium.make(bandits.ID, boredom=False, slate_size=4, disable_env_checker=True)
    slates, learned = [], []

    class Steps(gymnasium.Wrapper):
        def step(self, action):
            slates.append(action.tolist())
            result = self.env.step(action)
            learned.append(result[4]["clicks"].tolist())
            return result

    def scores(model, features):
        assert model.sums[-1] == np.sum(learned)  # the feature that is always 1
        return -np.abs(np.arange(1000.0) - 10.2)

    bandits.play_bandit(Steps(env), scores, users=2, seed=1)
    assert len(slates) == 200
    assert slates[0] == slates[-1] == [10, 11, 9, 12]


def test_the_table_of_slates_says_how_many_clicks_there_might_be(tmp_path):
    out = tmp_path / "found.json"
    result = call(bandits.main, "bandits.py", "--users", 2, "--slate-size", 2, "--static", "--out", out)
    assert result.returncode == 0, result.stderr
    assert "Clicks of 200" in result.stdout
    found = json.loads(out.read_text())
    assert found["slate_size"] == 2
    (oracle,), (chance,) = found["returns"]["oracle of the next click"], found["returns"]["chance"]
    assert oracle == pytest.approx(185, abs=12)
    assert chance < 60


def test_bad_input_is_told(monkeypatch):
    assert call(bandits.main, "bandits.py", "--users", 1).returncode == 2
    result = call(bandits.main, "bandits.py", "--slate-size", 0)
    assert result.returncode == 2
    assert "--slate-size 0 is not allowed: it takes a whole number from 1 to 1,000" in result.stderr
    monkeypatch.setitem(sys.modules, "sardine", None)
    result = call(bandits.main, "bandits.py")
    assert result.returncode == 2
    assert 'pip install -e ".[recommender]"' in result.stderr

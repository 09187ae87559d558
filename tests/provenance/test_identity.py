"""What decides a run's learning, and its hash."""

import pytest

from triptych.provenance.identity import deciding_settings, identity_hash, leaves

CONFIG = {
    "algo": {"module": "a.B", "batch_size": 32, "replay": {"capacity_env_steps": 100, "storage": "memory"}},
    "env": {"_target_": "c.D", "game": "pong", "num_threads": 0, "use_processes": False, "wrappers": ["e.F"]},
    "protocol": {"name": "nature", "total_frames": 1000},
    "seed": 1,
    "total_frames": 1000,
    "eval": {"episodes": 3},
    "trainer": {"precision": "auto"},
    "logger": {},
}


def changed(dotted, value):
    """Return the configuration with another value at a key."""

    def change(node, keys):
        key, *rest = keys
        return node | {key: change(node[key], rest) if rest else value}

    return change(CONFIG, dotted.split("."))


def identity_of(config):
    return identity_hash(deciding_settings(config))


def test_leaves_are_dotted_keys_in_their_order():
    assert list(leaves({"a": {"b": 1, "c": {"d": None}}, "e": [1, {"f": 2}]})) == [
        ("a.b", 1),
        ("a.c.d", None),
        ("e", [1, {"f": 2}]),
    ]
    assert list(leaves({})) == []


def test_the_settings_that_decide_are_those_of_algorithm_environment_protocol_and_seed():
    assert deciding_settings(CONFIG) == {
        "algo.module": "a.B",
        "algo.batch_size": 32,
        "algo.replay.capacity_env_steps": 100,
        "env._target_": "c.D",
        "env.game": "pong",
        "env.wrappers": ["e.F"],
        "protocol.name": "nature",
        "seed": 1,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("algo.batch_size", 64),
        ("algo.module", "a.C"),
        ("algo.replay.capacity_env_steps", 101),
        ("env.wrappers", []),
        ("protocol.name", "machado"),
        ("seed", 2),
        ("trainer", {"precision": "auto", "devices": 2}),
    ],
)
def test_what_decides_the_learning_makes_another_run(key, value):
    assert identity_of(changed(key, value)) != identity_of(CONFIG)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("algo.replay.storage", "disk"),
        ("env.num_threads", 4),
        ("env.use_processes", True),
        ("protocol.total_frames", 5),
        ("total_frames", 5),
        ("eval.episodes", 5),
        ("trainer.precision", "32-true"),
        ("trainer", {"precision": "auto", "devices": 1}),
        ("logger", {"wandb": {"project": "another"}}),
    ],
)
def test_what_decides_nothing_keeps_the_run(key, value):
    assert changed(key, value) != CONFIG
    assert identity_of(changed(key, value)) == identity_of(CONFIG)


def test_the_order_of_keys_is_of_no_account():
    shuffled = dict(reversed(CONFIG.items())) | {"algo": dict(reversed(CONFIG["algo"].items()))}
    assert list(deciding_settings(shuffled)) != list(deciding_settings(CONFIG))
    assert identity_of(shuffled) == identity_of(CONFIG)


def test_the_hash_is_eight_digits_that_folders_are_named_by_and_never_changes():
    assert identity_hash({"a": 1, "b": [None, True, 0.5]}) == "ba2e24a1"


def test_a_configuration_without_some_of_its_nodes_has_fewer_settings():
    assert deciding_settings({"seed": 3}) == {"seed": 3}
    assert deciding_settings({}) == {}


def test_environments_counted_by_either_name_are_the_same_run():
    config = CONFIG | {"algo": CONFIG["algo"] | {"num_envs": 4}, "env": CONFIG["env"] | {"num_envs": 4}}
    by_env = config | {"env": config["env"] | {"num_envs": 16}}
    by_algo = by_env | {"algo": config["algo"] | {"num_envs": 16}}  # which `env.num_envs` follows
    assert identity_of(by_env) == identity_of(by_algo) != identity_of(config)


def test_a_key_that_came_later_keeps_the_run_at_the_value_that_it_had_before():
    def with_exponent(value):
        return identity_of(CONFIG | {"algo": CONFIG["algo"] | {"epsilon_duration_exponent": value}})

    assert with_exponent(None) == identity_of(CONFIG)
    assert with_exponent(2.0) != identity_of(CONFIG)

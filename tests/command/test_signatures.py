"""What constructors say of themselves, and how settings are dealt to them."""

import math
from typing import Annotated, Any, Literal, NamedTuple

import pytest

from triptych.command.signatures import Keyword, allows, deal, describe, find, signature_of
from triptych.types import ConfigurationError
from triptych.types.bounds import (
    AtLeast,
    AtLeastOrInfinite,
    Between,
    Coefficient,
    Count,
    CountOrZero,
    Fraction,
    KeywordsOf,
    Positive,
    Seed,
)


class Base:
    def __init__(self, spec, *, seed: Seed, learning_rate: Positive = 1e-3):
        self.given = {"spec": spec, "seed": seed, "learning_rate": learning_rate}


class Middle(Base):
    """Adds nothing and so has no constructor of its own."""


class Child(Middle):
    def __init__(self, spec, *, gae_lambda: Fraction, seed: Count = 5, **kwargs: Any):
        super().__init__(spec, seed=seed, **kwargs)
        self.gae_lambda = gae_lambda


class Closed(Base):
    """Decides the seed itself and hands nothing on."""

    def __init__(self, spec, size: Count):
        super().__init__(spec, seed=size)


class Open:
    def __init__(self, path: str, **anything: Any):
        self.path, self.anything = path, anything


class Memory:
    def __init__(self, spec, *, capacity: Count, discount: Fraction = 0.9):
        self.given = {"spec": spec, "capacity": capacity, "discount": discount}


class LongMemory(Memory):
    def __init__(self, spec, *, unroll_steps: Count, **kwargs: Any):
        super().__init__(spec, **kwargs)


class Data:
    memory_class: type = Memory

    def __init__(
        self,
        *args: Any,
        batch_size: Count,
        memory: Annotated[dict[str, Any], KeywordsOf("memory_class")],
        **kwargs: Any,
    ):
        self.batch_size, self.memory = batch_size, memory


class LongData(Data):
    memory_class = LongMemory

    def __init__(self, make_game, *args: Any, memory: Annotated[dict[str, Any], KeywordsOf("memory_class")], **kwargs):
        super().__init__(*args, memory=memory, **kwargs)


class Plan(NamedTuple):
    period: Count
    episodes: CountOrZero = 3


def make_thing(size: Count, name: str | None = None):
    return size, name


class TestSignature:
    def test_keywords_are_followed_through_the_bases_as_long_as_they_are_handed_on(self):
        found = signature_of(Child)
        assert found.keywords == {
            "spec": Keyword(Any, True),
            "gae_lambda": Keyword(Fraction, True),
            "seed": Keyword(Count, False),  # the nearest class has the say
            "learning_rate": Keyword(Positive, False),
        }
        assert (found.parts, found.is_open) == ({}, False)

    def test_a_class_that_hands_nothing_on_takes_nothing_for_its_bases(self):
        assert signature_of(Closed).keywords.keys() == {"spec", "size"}
        assert not signature_of(Closed).is_open

    def test_a_class_without_a_constructor_has_that_of_its_base(self):
        assert signature_of(Middle) == signature_of(Base)

    def test_what_nobody_takes_of_keywords_handed_on_makes_it_open(self):
        found = signature_of(Open)
        assert found.keywords == {"path": Keyword(str, True)}
        assert found.is_open

    def test_functions_and_named_tuples_have_signatures_too(self):
        assert signature_of(make_thing).keywords == {"size": Keyword(Count, True), "name": Keyword(str | None, False)}
        assert signature_of(Plan).keywords == {"period": Keyword(Count, True), "episodes": Keyword(CountOrZero, False)}
        assert not signature_of(make_thing).is_open
        assert not signature_of(Plan).is_open

    def test_a_dict_of_keywords_is_a_part_of_the_class_that_an_attribute_names(self):
        found = signature_of(Data)
        assert found.keywords.keys() == {"batch_size"}
        assert found.parts == {"memory": signature_of(Memory)}
        assert found.all_keywords.keys() == {"batch_size", "spec", "capacity", "discount"}

    def test_a_subclass_may_name_another_part(self):
        found = signature_of(LongData)
        assert found.keywords.keys() == {"make_game", "batch_size"}
        assert found.parts == {"memory": signature_of(LongMemory)}
        assert found.all_keywords["capacity"] == Keyword(Count, True)
        assert found.all_keywords["unroll_steps"] == Keyword(Count, True)

    def test_annotations_written_as_text_are_read_where_they_stand(self):
        room = find("triptych.algos.muzero.MuZero", "algo.module")  # its module's annotations are all texts
        found = signature_of(room).keywords
        assert found["search"] == Keyword(Literal["gumbel", "puct"], True)
        assert found["seed"] == Keyword(Seed, True)
        assert found["learning_rate_decay_env_steps"] == Keyword(Count | None, False)

    def test_an_annotation_that_nobody_imports_may_be_anything(self):
        def function(thing: "NotImportedHere"):  # noqa: F821
            return thing

        assert signature_of(function).keywords == {"thing": Keyword(Any, True)}


class TestDeal:
    def test_each_takes_its_own_and_leaves_the_rest(self):
        settings = {"gae_lambda": 0.5, "learning_rate": 1e-2, "batch_size": 3}
        assert deal(Child, settings) == {"gae_lambda": 0.5, "learning_rate": 1e-2}
        assert Child("spec", **deal(Child, settings)).given == {"spec": "spec", "seed": 5, "learning_rate": 1e-2}
        assert deal(make_thing, {"name": None}) == {"name": None}

    def test_a_part_gets_a_dict_of_its_own(self):
        settings = {"batch_size": 3, "capacity": 9, "unroll_steps": 2, "gae_lambda": 0.5}
        assert deal(Data, settings) == {"batch_size": 3, "memory": {"capacity": 9}}
        assert deal(LongData, settings) == {"batch_size": 3, "memory": {"capacity": 9, "unroll_steps": 2}}
        assert deal(Data, {}) == {"memory": {}}

    def test_what_the_class_takes_itself_goes_to_it_alone(self):
        class Both(Data):
            def __init__(self, *args: Any, discount: Fraction, **kwargs: Any):
                super().__init__(*args, **kwargs)

        assert deal(Both, {"discount": 0.5, "capacity": 9}) == {"discount": 0.5, "memory": {"capacity": 9}}

    def test_the_settings_stay_as_they_are(self):
        settings = {"batch_size": 3, "capacity": 9}
        deal(Data, settings)
        assert settings == {"batch_size": 3, "capacity": 9}


class TestFind:
    def test_a_dotted_name_is_imported(self):
        assert find("triptych.types.bounds.Between", "algo.module") is Between

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("nowhere_at_all.DQN", r"cannot be imported \(ModuleNotFoundError"),
            ("triptych.algos.nowhere.DQN", r"cannot be imported \(ModuleNotFoundError"),
            ("tests.broken_import.DQN", r"cannot be imported \(ModuleNotFoundError: No module named 'not_there'"),
            ("tests.ending_import.DQN", r"cannot be imported \(SystemExit: done\)"),
            ("triptych.algos.dqn.Nothing", r"cannot be imported \(AttributeError"),
            ("not a name", "is no name of a class"),
            ("triptych.algos.not a name", r"cannot be imported \(AttributeError"),
            (None, "is no name of a class"),
            ("triptych.types.bounds.MAX_SEED", "is no class or function"),
        ],
    )
    def test_what_cannot_be_called_is_told_with_its_key(self, name, words):
        with pytest.raises(ConfigurationError, match=rf"^algo\.module={name} {words}"):
            find(name, "algo.module")


NAN, INF = float("nan"), float("inf")
SMALL_OR_AUTO = Literal["auto"] | Annotated[int, Between(1, 8)]

# annotation, what it allows, what it does not
CASES = [
    (int, [0, -3, 10**20], [True, 1.0, "1", None, NAN]),
    (float, [0, 1, -0.5, 1e300, INF, -INF], [True, False, "1", None, NAN]),
    (bool, [True, False], [0, 1, "true", None]),
    (str, ["a", "two words"], ["", "  ", 1, None, True]),
    (Any, [0, "", None, NAN, [1], {"a": 1}], []),
    (dict[str, Any], [{}, {"a": 1}], []),  # not looked into
    (Annotated[int, Between(2, 5)], [2, 5], [1, 6, 2.0, True, None]),
    (Annotated[float, Between(0, 1)], [0, 1, 0.5], [-1e-9, 1 + 1e-9, INF, -INF, NAN, True, "0"]),
    (Annotated[float, AtLeast(0.5)], [0.5, 1e300, 7], [0.49, INF, -INF, NAN, None]),
    (Annotated[float, AtLeastOrInfinite(0.5)], [0.5, INF], [0.49, -INF, NAN]),
    (Annotated[int, "a remark", Between(2, 5)], [3], [1]),
    (Literal["huber", "squared"], ["huber", "squared"], ["Huber", "", None, 0, True]),
    (Literal[1, 2], [1, 2], [True, 3, "1"]),
    (Count | None, [None, 1], [0, 1.0, "null", False]),
    (SMALL_OR_AUTO, ["auto", 1, 8], ["Auto", 0, 9, None, True]),
    (Seed, [0, 2**31 - 1], [-1, 2**31, 0.0]),
    (Count, [1, 10**15], [0, 10**15 + 1]),
    (CountOrZero, [0, 10**15], [-1, 10**15 + 1]),
    (Fraction, [0, 1, 0.99], [1.01, NAN]),
    (Coefficient, [0, 0.5, 100], [-0.1, INF, NAN]),
    (Positive, [1e-12, 5], [0, -1, INF, NAN]),
]


@pytest.mark.parametrize(("annotation", "allowed", "refused"), CASES)
def test_a_value_is_what_its_keyword_asks_for(annotation, allowed, refused):
    for value in allowed:
        assert allows(annotation, value), value
    for value in refused:
        assert not allows(annotation, value), value


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (bool, "true or false"),
        (str, "a text"),
        (type(None), "null"),
        (Annotated[int, Between(2, 5)], "a whole number from 2 to 5"),
        (Annotated[float, Between(0.5, 2)], "a number from 0.5 to 2"),
        (Seed, "a whole number from 0 to 2,147,483,647"),
        (Count, "a whole number from 1 to 1,000,000,000,000,000"),
        (Fraction, "a number from 0 to 1"),
        (Coefficient, "a number from 0 up"),
        (Positive, "a number from 1e-12 to 1e+30"),
        (Annotated[float, AtLeastOrInfinite(0.5)], "a number from 0.5 up, or inf"),
        (Literal["cpu"], "cpu"),
        (Literal["huber", "squared"], "huber or squared"),
        (Literal["auto", "cpu", "cuda"], "auto, cpu or cuda"),
        (Fraction | None, "a number from 0 to 1 or null"),
        (SMALL_OR_AUTO, "auto or a whole number from 1 to 8"),
        (Literal["a", "b"] | Annotated[int, Between(1, 2)] | None, "a, b, a whole number from 1 to 2 or null"),
        (dict, "another value"),
    ],
)
def test_an_annotation_is_described_in_words(annotation, words):
    assert describe(annotation) == words


def test_a_number_that_is_none_is_within_no_bounds():
    for bound in (Between(-INF, INF), AtLeast(-INF), AtLeastOrInfinite(-INF)):
        assert not bound.holds(math.nan)
        assert bound.holds(0)

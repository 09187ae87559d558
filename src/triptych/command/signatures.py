"""What constructors take: their keywords with their bounds, and the settings dealt to them by name.

A constructor with ``**kwargs`` hands them on to the next class that it inherits from, whose keywords are its own too.
A keyword annotated with `KeywordsOf` is a dict of keywords for another constructor, dealt from the same settings; what
the class takes itself goes to it alone.
"""

from __future__ import annotations

import importlib
import inspect
import math
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from triptych.types import ConfigurationError
from triptych.types.bounds import KeywordsOf

NOUNS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
PLURALS = {str: "texts", int: "whole numbers", float: "numbers"}


class Keyword(NamedTuple):
    """One keyword of a constructor."""

    annotation: Any  # ``Any`` where it cannot be known
    is_required: bool


class Signature(NamedTuple):
    """What a constructor takes."""

    keywords: dict[str, Keyword]
    parts: dict[str, Signature]  # keyword -> of the constructor whose keywords it is a dict of
    is_open: bool  # any other keyword, too

    @property
    def all_keywords(self) -> dict[str, Keyword]:
        """Its own keywords and those of its parts."""
        return {name: one for part in self.parts.values() for name, one in part.all_keywords.items()} | self.keywords


def find(name: str, key: str) -> Any:
    """Import what a setting names.

    Raises:
        ConfigurationError: there is nothing of this name that can be called.
    """
    # package.module:Class means the same, as in Gymnasium's ids
    module, _, attribute = name.replace(":", ".").rpartition(".") if isinstance(name, str) else ("", "", "")
    if not module:
        raise ConfigurationError(f"{key}={name} is no name of a class; give it with its module, package.module.Class.")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module may raise anything when it is imported
        raise ConfigurationError(
            f"{key}={name} cannot be imported ({type(error).__name__}: {error}); give the dotted name of a class, "
            "and PYTHONPATH=. before the command where its file lies in this folder."
        ) from error
    if not callable(found):
        raise ConfigurationError(f"{key}={name} is no class or function; give the dotted name of one.")
    return found


def signature_of(constructor: Any) -> Signature:
    """Read the keywords of a class, its bases included, or of a function."""
    keywords: dict[str, Keyword] = {}
    parts: dict[str, Signature] = {}
    for function in _functions_of(constructor):
        hands_on = False
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                hands_on = True
            elif parameter.kind is not parameter.VAR_POSITIONAL and parameter.name != "self":
                annotation = _annotation_of(function, parameter)
                part = next((one for one in _metadata(annotation) if isinstance(one, KeywordsOf)), None)
                if part is not None:
                    parts.setdefault(parameter.name, signature_of(getattr(constructor, part.attribute)))
                elif parameter.name not in parts:
                    required = parameter.default is parameter.empty
                    keywords.setdefault(parameter.name, Keyword(annotation, required))
        if not hands_on:
            return Signature(keywords, parts, is_open=False)
    return Signature(keywords, parts, is_open=True)


def deal(constructor: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the settings that a constructor takes, as its keywords."""
    signature = signature_of(constructor)
    return _deal(signature, settings)


def _deal(signature: Signature, settings: Mapping[str, Any]) -> dict[str, Any]:
    dealt = {name: settings[name] for name in signature.keywords if name in settings}
    others = {name: value for name, value in settings.items() if name not in signature.keywords}
    return dealt | {name: _deal(part, others) for name, part in signature.parts.items()}


def _functions_of(constructor: Any) -> list[Any]:
    if not inspect.isclass(constructor) or issubclass(constructor, tuple):
        return [constructor]
    return [one.__dict__["__init__"] for one in constructor.__mro__ if "__init__" in one.__dict__ and one is not object]


def _annotation_of(function: Any, parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Any
    text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    if not isinstance(text, str):
        return annotation
    module = inspect.getmodule(function)
    try:
        return eval(text, vars(module) if module else {})  # the module's own text, imported already
    except Exception:  # a name that is imported for type checkers alone
        return Any


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()


def allows(annotation: Any, value: Any) -> bool:
    """Whether a value is what a keyword's annotation asks for; of numbers, texts, flags, choices and lists of these."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        bounds = [bound for bound in annotation.__metadata__ if hasattr(bound, "holds")]
        return allows(annotation.__origin__, value) and all(bound.holds(value) for bound in bounds)
    if origin in (typing.Union, types.UnionType):
        return any(allows(option, value) for option in typing.get_args(annotation))
    if origin is Literal:
        return not isinstance(value, bool) and value in typing.get_args(annotation)
    if origin is list:
        (element,) = typing.get_args(annotation)
        return isinstance(value, list) and all(allows(element, one) for one in value)
    if annotation is type(None):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if annotation is str:
        return isinstance(value, str) and value.strip() != ""
    return True


def describe(annotation: Any) -> str:
    """Say in words what `allows` allows."""
    return " or ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts := _words(annotation)) > 1 else parts[0]


def _words(annotation: Any) -> list[str]:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        bounds = " ".join(bound.describe() for bound in annotation.__metadata__ if hasattr(bound, "describe"))
        return [f"{describe(annotation.__origin__)} {bounds}"]
    if origin in (typing.Union, types.UnionType):
        return [word for option in typing.get_args(annotation) for word in _words(option)]
    if origin is list:
        (element,) = typing.get_args(annotation)
        of = f"of {PLURALS[element]}, as [a,b]" if element in PLURALS else f"whose every element is {describe(element)}"
        return [f"a list {of}"]
    if origin is Literal:
        return [str(choice) for choice in typing.get_args(annotation)]
    return ["null"] if annotation is type(None) else [NOUNS.get(annotation, "another value")]

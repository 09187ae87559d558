"""Patterns of a sweep, ``env=glob(c*)``, which stand for the options that Hydra finds."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType

from triptych.types import ConfigurationError


def parse_with_options(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides so that their patterns know the options; Hydra must be initialized."""
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(list(overrides))


def check_patterns(overrides: Sequence[str]) -> None:
    """Refuse a glob that finds no option; Hydra must be initialized."""
    for override in parse_with_options(overrides):
        if override.value_type == ValueType.GLOB_CHOICE_SWEEP and not list(override.sweep_iterator()):
            raise ConfigurationError(
                f"{override.input_line} stands for no value at all: a glob finds options of a group, such as "
                "env=glob(c*); list other values, as seed=1,2,3."
            )

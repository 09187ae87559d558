"""What an algorithm of one's own returns is told where it is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from triptych.types import ActorOutput, ConfigurationError, LossOutput
from triptych.types.returned import check_actor_output, check_loss_output, check_metrics


class Mine:
    """Somebody's algorithm."""


def test_what_is_right_passes():
    check_actor_output(Mine(), ActorOutput(torch.zeros(3, dtype=torch.int64), {}), 3, ())
    check_actor_output(Mine(), (torch.zeros(3, 2), {"value": torch.zeros(3)}), 3, (2,))
    check_loss_output(Mine(), LossOutput(torch.tensor(1.0), {}))
    check_metrics(Mine(), {"a": 1, "b": 0.5, "c": np.float32(2), "d": torch.tensor([3.0])})


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            torch.zeros(3),
            "Mine.act returned a tensor of shape [3]; it takes ActorOutput(action, extras) with actions [3]",
        ),
        (None, "Mine.act returned None"),
        (ActorOutput(torch.zeros(3, 4), {}), "Mine.act returned a tensor of shape [3, 4] and a dict"),
        (ActorOutput(torch.zeros(3), None), "Mine.act returned a tensor of shape [3] and None"),
        (ActorOutput(np.zeros(3), {}), "Mine.act returned a ndarray and a dict"),
    ],
)
def test_actions_that_are_none_are_told(output, words):
    with pytest.raises(ConfigurationError) as error:
        check_actor_output(Mine(), output, 3, ())
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.tensor(1.0), "Mine.loss returned a tensor of shape []; it takes LossOutput(loss, metrics), or None."),
        (LossOutput(torch.zeros(4), {}), "Mine.loss returned a loss that is a tensor of shape [4]"),
        (LossOutput(1.0, {}), "Mine.loss returned a loss that is a float"),
    ],
)
def test_a_loss_that_is_none_is_told(output, words):
    with pytest.raises(ConfigurationError) as error:
        check_loss_output(Mine(), output)
    assert words in str(error.value)


@pytest.mark.parametrize("value", [torch.zeros(3), "text", None, np.zeros(2)])
def test_a_metric_that_is_no_number_is_named(value):
    with pytest.raises(ConfigurationError, match=r"Mine recorded entropy, .*; it takes one number"):
        check_metrics(Mine(), {"loss": 1.0, "entropy": value})

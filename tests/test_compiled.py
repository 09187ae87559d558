"""What Numba compiles, also where neither the package's folder nor the home can be written."""

import numpy as np
import pytest

from triptych import compiled as module
from triptych.compiled import compiled


def double(numbers):
    for index in range(len(numbers)):
        numbers[index] *= 2


@pytest.mark.parametrize("signature", [(), ("void(int64[:])",)])
def test_a_function_does_compiled_what_it_does_interpreted(signature):
    numbers = np.arange(4)
    compiled(*signature, nogil=True)(double)(numbers)
    assert numbers.tolist() == [0, 2, 4, 6]


def test_without_room_for_a_cache_there_is_none(monkeypatch):
    asked = []

    def njit(*signature, cache=False, **settings):
        asked.append((signature, cache, settings))
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return lambda function: function

    monkeypatch.setattr(module, "njit", njit)
    assert compiled("void(int64[:])", nogil=True)(double) is double
    assert asked == [(("void(int64[:])",), True, {"nogil": True}), (("void(int64[:])",), False, {"nogil": True})]

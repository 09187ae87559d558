"""The compiled search where neither the package's folder nor the home can be written."""

import pytest

from triptych.planning import kernels


def test_a_search_is_compiled_without_a_cache_where_there_is_no_room_for_one(monkeypatch):
    asked = []

    def njit(cache=False, **settings):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return lambda function: function

    monkeypatch.setattr(kernels, "njit", njit)
    assert kernels.loop_over_roots(pytest.fail) is pytest.fail
    assert asked == [True, False]

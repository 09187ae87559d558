import numpy as np
from PIL import Image

from triptych.report.values import draw_values, value_map

MOVES = ((0, -1), (0, 1))


def cells():
    q_values = np.array([[1.0, 0.0], [2.0, 2.0], [0.0, 3.0], [0.0, 0.0]])
    is_terminal = np.array([False, False, False, True])
    return value_map(q_values, np.array([True, True, False, True]), is_terminal, (2, 2), MOVES)


def test_a_map_lies_row_by_row_with_all_best_actions():
    found = cells()
    assert found.values.tolist() == [[1.0, 2.0], [3.0, 0.0]]
    assert found.greedy.tolist() == [[[True, False], [True, True]], [[False, True], [True, True]]]
    assert found.is_drawn.tolist() == [[True, True], [False, True]]


def test_a_map_and_a_curve_are_one_picture(tmp_path):
    errors = [(10.0, 1.0), (20.0, 0.1), (30.0, 0.0)]
    for name, parts in {"both": (cells(), errors), "map": (cells(), []), "curve": (None, errors)}.items():
        draw_values(tmp_path / f"{name}.png", *parts, "a title", 0.01)
    sizes = {path.stem: Image.open(path).size for path in tmp_path.glob("*.png")}
    assert sizes["both"][0] > max(sizes["map"][0], sizes["curve"][0])

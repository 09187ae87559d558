import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from triptych.report.trees import TreePicture, draw_policy, draw_tree, layout


def test_a_parent_stands_over_the_middle_of_its_children():
    #       0
    #     1   2
    #    3 4
    places = layout([-1, 0, 0, 1, 1])
    assert places == {3: (0.0, 2), 4: (1.0, 2), 1: (0.5, 1), 2: (2.0, 1), 0: (1.25, 0)}


def test_nodes_that_were_never_added_are_not_drawn():
    assert set(layout([-1, 0, -1, -1])) == {0, 1}


def test_the_picture_is_written(tmp_path):
    tree = TreePicture(
        parents=np.array([-1, 0, 0, 1]),
        actions=np.array([-1, 2, 0, 1]),
        visits=np.array([4, 2, 1, 1]),
        values=np.array([0.1, 0.5, -0.5, 0.7]),
        chosen_action=2,
        action_weights=np.array([0.2, 0.1, 0.7]),
    )
    draw_tree(tmp_path / "tree.png", tree, np.full((20, 30, 3), 128, np.uint8), "a game, step 3")
    with Image.open(tmp_path / "tree.png") as picture:
        assert picture.size[0] > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["tree.png"]


def test_actions_have_their_names_and_of_many_the_largest_weights_are_drawn():
    weights = np.zeros(40)
    weights[[30, 5]] = 0.75, 0.25
    alone = [np.array([number]) for number in (-1, -1, 1, 0.0)]
    tree = TreePicture(*alone, chosen_action=5, action_weights=weights, action_names=[f"m{i}" for i in range(40)])
    axes = Figure().add_subplot()
    draw_policy(axes, tree)
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["m30", "m5"]
    assert len(axes.patches) == 18
    draw_policy(axes := Figure().add_subplot(), tree._replace(action_weights=weights[:6], action_names=()))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1", "2", "3", "4", "5"]

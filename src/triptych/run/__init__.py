"""The life of a run: its folder, its job from start to end, and the run built again."""

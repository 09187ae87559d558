"""Experiment trackers: where the rows of a run go besides its folder."""

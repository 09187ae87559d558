"""Telling: what came out of runs, as tables and curves."""

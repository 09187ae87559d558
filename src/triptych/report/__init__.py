"""Telling: what came out of runs, as tables, curves and a page."""

"""Searching for settings: what may be tried, what is tried next, and the runs that try it."""

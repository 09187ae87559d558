"""Showing a game step by step: what was seen, what the network made of it, and what came of it."""

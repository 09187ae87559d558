"""Equations: pure functions of tensors, no state, no config."""

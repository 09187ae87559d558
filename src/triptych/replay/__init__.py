"""Remembering: windows of n steps, one frame per step, uniform or prioritized draws."""

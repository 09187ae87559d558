"""Watching: metrics, checkpoints, progress, videos."""

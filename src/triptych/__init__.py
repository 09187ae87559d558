"""Triptych: the three ways of reinforcement learning on PyTorch Lightning and Hydra."""

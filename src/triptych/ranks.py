"""The processes of one run: which of them this one is, and what they tell each other.

A run is one process, unless ``trainer.devices`` asks for more. Then each plays its share of the environments, stores
what it played, and draws its share of every minibatch; gradients are averaged, so all make the same updates. The first,
of rank 0, evaluates, writes the files and decides. What speaks to the others is called by all processes in the same
order; where there is one process, it costs nothing.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from triptych.types import RunInterrupted

Thing = TypeVar("Thing")

TIMEOUT = datetime.timedelta(
    days=30
)  # of waiting for the first, which may evaluate long; who dies is noticed otherwise


def join(rank: int, size: int, store: dist.Store | None = None) -> None:
    """Become one of ``size`` processes that meet in ``store``, or where the variables of torchrun say."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=size, store=store, timeout=TIMEOUT)


def leave() -> None:
    """Be one process again."""
    if dist.is_initialized():
        dist.destroy_process_group()


def size() -> int:
    """Return how many processes the run has."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this one is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def of_torchrun() -> tuple[int, int] | None:
    """Return rank and size where torchrun has started this process and others, maybe on several machines."""
    is_started = dist.is_torchelastic_launched()
    return (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])) if is_started else None


def local_rank() -> int:
    """Return which of the processes on this machine this one is."""
    return int(os.environ["LOCAL_RANK"]) if size() > 1 and of_torchrun() else rank()


def local_size() -> int:
    """Return how many processes the run has on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if size() > 1 and of_torchrun() else size()


def concatenate(values: Tensor) -> Tensor:
    """Return the values ``[B, ...]`` of all processes in their order, ``[size · B, ...]``; every shape is the same."""
    if size() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(size())]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def mean(value: Tensor) -> Tensor:
    """Return the mean of the scalars of all processes, as float32."""
    return concatenate(value.float()[None]).mean()


def largest(value: float) -> float:
    """Return the largest of the numbers of all processes."""
    return value if size() == 1 else float(concatenate(torch.tensor([value], dtype=torch.float64)).max())


def agree(is_so: bool) -> bool:
    """Return whether it is so in all processes."""
    return is_so if size() == 1 else largest(float(not is_so)) == 0.0


def gather(thing: Thing) -> list[Thing]:
    """Return what all processes have, in their order, to the first; to the others, nothing."""
    if size() == 1:
        return [thing]
    things: list[Any] | None = [None] * size() if rank() == 0 else None
    dist.gather_object(thing, things)
    return things or []


def from_first(ask: Callable[[], Thing]) -> Thing:
    """Let the first process alone answer, and return its answer to all.

    Raises:
        RunInterrupted: in all of them, where it stopped the first.
    """
    if size() == 1:
        return ask()
    answer: list[Any] = [None, False]
    if rank() == 0:
        try:
            answer[0] = ask()
        except RunInterrupted:
            answer[1] = True
    dist.broadcast_object_list(answer)
    if answer[1]:
        raise RunInterrupted
    return answer[0]

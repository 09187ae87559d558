"""A function called in two processes that make up one run, as gloo connects them on a processor."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from triptych import ranks
from triptych.build import make_trainer
from triptych.provenance.hardware import Hardware
from triptych.types import EnvSpec

HARDWARE = Hardware("cpu", 2, "32-true", 1)


def in_two_processes(function, *arguments):
    """Return what ``function(*arguments)`` returns in each."""
    store = dist.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_call, rank, store.port, pickle.dumps((function, arguments))) for rank in range(2)]
        return [future.result(timeout=180) for future in futures]


def _call(rank, port, pickled):
    torch.set_num_threads(1)
    ranks.join(rank, 2, dist.TCPStore("127.0.0.1", port, 2, is_master=False))
    function, arguments = pickle.loads(pickled)
    try:
        return function(*arguments)
    finally:
        ranks.leave()


class WeightsAfterEachUpdate(pl.Callback):
    """Keeps all parameters after every optimizer step."""

    def __init__(self):
        self.kept = []

    def on_fit_start(self, trainer, module):
        step = module.after_update

        def after_update():
            step()
            self.kept.append(torch.cat([one.detach().flatten().double() for one in module.parameters()]).clone())

        module.after_update = after_update


class Batches(pl.LightningDataModule):
    """Yields what it is given, in the place of what is played."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def train_dataloader(self):
        return DataLoader(self.batches, batch_size=None)

    def update_priorities(self, priorities):
        pass


def learn(make_module, batches, directory):
    """Return all parameters and buffers after each update and at the end, ``[U, P]`` and ``[P]``, and all metrics."""
    torch.manual_seed(0)
    module, weights = make_module(), WeightsAfterEachUpdate()
    trainer = make_trainer(HARDWARE, [weights], [], directory, uses_all=module.uses_all_parameters)
    trainer.fit_loop.max_epochs = 1
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.fit(module, Batches(batches))
    end = torch.cat([one.flatten().double() for one in [*module.parameters(), *module.buffers()]])
    return torch.stack(weights.kept), end.detach()


__all__ = ["EnvSpec", "in_two_processes", "learn"]

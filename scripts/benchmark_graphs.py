"""Time updates of DQN on Pong eager, compiled, and captured as a CUDA graph where there is a GPU.

python scripts/benchmark_graphs.py

An update is here the loss, its backward pass and Adam's step on one fixed minibatch of 32, under mixed precision;
clipping and metrics are left out. Each line that begins with a brace is JSON: updates per second of each way so far, or
why it did not work.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from benchmark_worker import DQN, autocast, make_experiment, make_minibatch

from triptych.run.arguments import ScriptParser
from triptych.run.exit_codes import exit_code_of

SECONDS = 3.0  # of each way
BATCH_SIZE = 32


def rate(work: Callable[[], object]) -> float:
    """Return how often a second is enough for the work, on whatever device."""
    for _ in range(5):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started, count = time.perf_counter(), 0
    while time.perf_counter() < started + SECONDS:
        for _ in range(10):
            work()
        count += 10
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return count / (time.perf_counter() - started)


def capture(step: Callable[[], object]) -> Callable[[], object]:
    """Capture a step as a CUDA graph, after it has run on a stream of its own, and return what replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def main(arguments: list[str]) -> int:
    """Time each way, print what came out, and return the exit code."""
    return exit_code_of(lambda: time_each(arguments))


def time_each(arguments: list[str]) -> None:
    """Time each way and print what came out."""
    ScriptParser(__doc__).parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as run_dir:
        experiment = make_experiment(Path(run_dir), *DQN)
    device = experiment.trainer.strategy.root_device
    module = experiment.module.to(device).train()
    is_cuda = device.type == "cuda"
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True, capturable=is_cuda)
    minibatch = make_minibatch(experiment, BATCH_SIZE)

    def loss() -> torch.Tensor:
        output = module.loss(minibatch)
        assert output is not None
        return output.loss

    def step(loss: Callable[[], torch.Tensor] = loss) -> None:
        optimizer.zero_grad()
        with autocast(experiment):
            loss().backward()
        optimizer.step()

    compiled = torch.compile(loss)
    ways = {"eager": lambda: rate(step)}
    if is_cuda:
        ways["graph"] = lambda: rate(capture(step))
    ways["compiled"] = lambda: rate(lambda: step(compiled))  # last: it may take a minute to start
    found: dict[str, float | str] = {"device": torch.cuda.get_device_name() if is_cuda else "cpu"}
    for name, way in ways.items():
        try:
            found[name] = round(way(), 1)
        except Exception as error:  # the other ways are timed all the same
            found[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Time a batched search, and with --mctx-python mctx's jitted one in turns with it, on the same model and roots.

taskset -c 1 python scripts/benchmark_search.py --mctx-python ../mctx/bin/python --out search.json
taskset -c 1 python scripts/benchmark_search.py --mctx-python ../mctx/bin/python --masked --two-players

Both sides search from the same roots through the same small network: a layer of 32 units that reads the embedding, with
a bias for each action, and a layer that says reward, value and logits. mctx needs a Python of its own that has mctx
and jax. The two alternate call by call, so that whatever else the machine does disturbs both alike. With --masked half
of each root's actions are not allowed, with --two-players the discount is -1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

DISCOUNT = 0.99


def make_inputs(
    batch_size: int, num_actions: int, num_units: int, *, is_masked: bool = False, has_two_players: bool = False
) -> dict[str, np.ndarray]:
    """Draw roots and the network's weights; ``invalid_actions`` are half of each root's where it is masked."""
    rng = np.random.default_rng(0)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    inputs = {
        "prior_logits": normal(batch_size, num_actions),
        "value": normal(batch_size),
        "embedding": normal(batch_size, num_units),
        "hidden_weight": normal(num_units, num_units, scale=num_units**-0.5),
        "action_bias": normal(num_actions, num_units),
        "output_weight": normal(num_units, num_actions + 2, scale=num_units**-0.5),
        "output_bias": normal(num_actions + 2, scale=0.1),
        "discount": np.full(batch_size, -1.0 if has_two_players else DISCOUNT, np.float32),
    }
    if is_masked:
        ranks = rng.random((batch_size, num_actions)).argsort(axis=1)
        inputs["invalid_actions"] = ranks < num_actions // 2
    return inputs


def our_search(inputs: dict[str, np.ndarray], policy: str, num_simulations: int) -> Callable[[], object]:
    """Return a call of the search in triptych.planning."""
    import torch

    from triptych import planning

    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    discount, invalid_actions = tensors["discount"], tensors.get("invalid_actions")

    def recurrent_fn(action, embedding):
        bias = tensors["action_bias"].index_select(0, action)
        embedding = torch.addmm(bias, embedding, tensors["hidden_weight"]).relu()
        output = torch.addmm(tensors["output_bias"], embedding, tensors["output_weight"])
        reward, value = output[:, 0], output[:, 1]
        return planning.RecurrentOutput(reward, discount, output[:, 2:], value), embedding

    root = planning.RootOutput(tensors["prior_logits"], tensors["value"], tensors["embedding"])
    search = getattr(planning, policy)
    return lambda: search(root, recurrent_fn, num_simulations, invalid_actions=invalid_actions).action.sum().item()


def mctx_search(inputs: dict[str, np.ndarray], policy: str, num_simulations: int) -> Callable[[], object]:
    """Return a call of mctx's search, jitted."""
    import jax
    import jax.numpy as jnp
    import mctx

    arrays = {name: jnp.asarray(array) for name, array in inputs.items()}

    def recurrent_fn(params, key, action, embedding):
        embedding = jax.nn.relu(embedding @ params["hidden_weight"] + params["action_bias"][action])
        output = embedding @ params["output_weight"] + params["output_bias"]
        step = mctx.RecurrentFnOutput(
            reward=output[:, 0],
            discount=params["discount"],
            prior_logits=output[:, 2:],
            value=output[:, 1],
        )
        return step, embedding

    @jax.jit
    def search(arrays, key):
        root = mctx.RootFnOutput(
            prior_logits=arrays["prior_logits"], value=arrays["value"], embedding=arrays["embedding"]
        )
        invalid_actions = arrays.get("invalid_actions")
        return getattr(mctx, policy)(arrays, key, root, recurrent_fn, num_simulations, invalid_actions=invalid_actions)

    key = jax.random.PRNGKey(0)
    return lambda: jax.block_until_ready(search(arrays, key).action)


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Return the wall clock and the processor time of a call; other programs on the core lengthen the first only."""
    started, processor_started = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - started, time.process_time() - processor_started


def serve_mctx(folder: Path) -> None:
    """Tell the versions, then answer each line ``policy num_simulations`` with the seconds of one call.

    The first call of its kind compiles.
    """
    print(json.dumps({name: version(name) for name in ("mctx", "jax")}), flush=True)
    with np.load(folder / "inputs.npz") as stored:
        inputs = dict(stored)
    searches: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        policy, num_simulations = line.split()
        if line not in searches:
            searches[line] = mctx_search(inputs, policy, int(num_simulations))
        print(*seconds(searches[line]), flush=True)


def main(arguments: list[str]) -> int:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-actions", type=int, default=6)
    parser.add_argument("--num-units", type=int, default=32)
    parser.add_argument("--num-simulations", type=int, nargs="+", default=[16, 50])
    parser.add_argument("--masked", action="store_true", help="half of each root's actions are not allowed")
    parser.add_argument("--two-players", action="store_true", help="the discount is -1")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1, help="of torch; mctx takes the cores that it is given")
    parser.add_argument("--mctx-python", type=Path, metavar="PATH", help="a Python that has mctx and jax")
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--serve-mctx", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve_mctx is not None:
        serve_mctx(options.serve_mctx)
        return 0

    import torch

    from triptych.provenance.code import write_measurement

    torch.set_num_threads(options.threads)
    inputs = make_inputs(
        options.batch_size,
        options.num_actions,
        options.num_units,
        is_masked=options.masked,
        has_two_players=options.two_players,
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "inputs.npz", **inputs)  # type: ignore[arg-type]
        mctx_process, mctx_versions = None, {}
        if options.mctx_python is not None:
            command = [str(options.mctx_python), __file__, "--serve-mctx", folder]
            mctx_process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert mctx_process.stdout is not None
            mctx_versions = json.loads(mctx_process.stdout.readline())
        for policy in ("muzero_policy", "gumbel_muzero_policy"):
            for num_simulations in options.num_simulations:
                call = our_search(inputs, policy, num_simulations)
                ours, theirs = [], []
                for _ in range(options.repeats + 3):
                    ours.append(seconds(call))
                    if mctx_process is not None:
                        assert mctx_process.stdin is not None
                        assert mctx_process.stdout is not None
                        mctx_process.stdin.write(f"{policy} {num_simulations}\n")
                        mctx_process.stdin.flush()
                        wall, processor = map(float, mctx_process.stdout.readline().split())
                        theirs.append((wall, processor))
                row: dict[str, object] = {"policy": policy, "num_simulations": num_simulations}
                for index, clock in enumerate(("wall", "processor")):
                    our_median = median(times[index] for times in ours[3:])  # the first ones compile and warm up
                    row[f"{clock}_ms"] = round(1e3 * our_median, 3)
                    if theirs:
                        their_median = median(times[index] for times in theirs[3:])
                        row[f"mctx_{clock}_ms"] = round(1e3 * their_median, 3)
                        row[f"{clock}_ratio"] = round(our_median / their_median, 3)
                rows.append(row)
                print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        if mctx_process is not None:
            mctx_process.communicate()
    found = {
        "searches": rows,
        "batch_size": options.batch_size,
        "num_actions": options.num_actions,
        "num_units": options.num_units,
        "masked": options.masked,
        "two_players": options.two_players,
        "repeats": options.repeats,
        "mctx_versions": mctx_versions,
    }
    write_measurement(options.out, "benchmark_search.py", arguments, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

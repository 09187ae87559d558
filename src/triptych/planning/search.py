"""The search loop: descend in all trees, ask the model once, grow all trees.

The kernels work in the memory of the tree's tensors. On the CPU they see it as NumPy arrays, and the loop over the
roots runs on the calling thread: a second pool of threads beside torch's would fight with it for the same cores. On a
GPU they see it through ``__cuda_array_interface__`` and are queued on torch's current stream, so that nothing waits
for the device between the first simulation and the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.planning.qtransforms import QTransform
from triptych.planning.tree import CHILD, NODE, Embedding, SearchTree
from triptych.types import ConfigurationError

THREADS_PER_BLOCK = 32  # one warp, so that few roots spread over many multiprocessors


class RecurrentOutput(NamedTuple):
    """What the model says of an action, and of the state that it leads to."""

    reward: Float[Tensor, " B"]
    discount: Float[Tensor, " B"]  # 0 where the episode ends, negative where the value is the opponent's
    prior_logits: Float[Tensor, "B A"]
    value: Float[Tensor, " B"]


RecurrentFn = Callable[[Int[Tensor, " B"], Embedding], tuple[RecurrentOutput, Embedding]]


class CpuLauncher:
    """Runs kernels on the calling thread."""

    target = "cpu"

    def __init__(self, device: torch.device) -> None:
        pass

    def view(self, tensor: Tensor) -> Any:
        """Return the tensor's memory as the kernels take it."""
        return tensor.numpy()

    def records(self, tensor: Tensor, dtype: np.dtype) -> Any:
        """Return a tensor whose last axis is the fields of a record as an array of such records."""
        return tensor.numpy().view(dtype)[..., 0]

    def launch(self, kernel: Any, num_roots: int, arguments: tuple[Any, ...]) -> None:
        kernel(*arguments)


class CudaLauncher:
    """Queues kernels on torch's current stream, one thread for each root."""

    target = "cuda"

    def __init__(self, device: torch.device) -> None:
        from numba import cuda

        self._cuda = cuda
        self._stream = cuda.external_stream(torch.cuda.current_stream(device).cuda_stream)

    def view(self, tensor: Tensor) -> Any:
        """Return the tensor's memory as the kernels take it."""
        return self._cuda.as_cuda_array(tensor)

    def records(self, tensor: Tensor, dtype: np.dtype) -> Any:
        """Return a tensor whose last axis is the fields of a record as an array of such records."""
        return self._cuda.as_cuda_array(tensor).view(dtype).reshape(tensor.shape[:-1])

    def launch(self, kernel: Any, num_roots: int, arguments: tuple[Any, ...]) -> None:
        num_blocks = -(-num_roots // THREADS_PER_BLOCK)
        try:
            kernel[num_blocks, THREADS_PER_BLOCK, self._stream](*arguments)
        except ImportError as error:  # of what compiles for CUDA, which Numba looks for at the first launch
            raise ConfigurationError(
                f"a search on a GPU cannot be compiled ({str(error).splitlines()[0].rstrip('.:')}): let CUDA_HOME name "
                "the folder of CUDA's toolkit, pip install 'numba-cuda[cu13]', or say trainer=cpu."
            ) from error


LAUNCHERS: dict[str, type[CpuLauncher] | type[CudaLauncher]] = {"cpu": CpuLauncher, "cuda": CudaLauncher}


class Search:
    """Grows the trees, by one node for each simulation and root.

    Args:
        tree: holds the roots and has room for ``num_simulations`` nodes more.
        max_depth: most actions from a root to a leaf.
        pb_c_init, pb_c_base: c1 and c2 of PUCT.
        gumbel: the noise at the roots, ``None`` for PUCT.
        considered_visits: the schedule of Sequential Halving, ``None`` for PUCT.
    """

    def __init__(
        self,
        tree: SearchTree,
        num_simulations: int,
        max_depth: int,
        qtransform: QTransform,
        *,
        pb_c_init: float = 0.0,
        pb_c_base: float = 1.0,
        gumbel: Float[Tensor, "B A"] | None = None,
        considered_visits: Int[Tensor, "B simulations"] | None = None,
    ) -> None:
        from triptych.planning import kernels  # Numba is loaded by the first search, not by an import of this room

        device = tree.node_records.device
        num_roots, _, num_actions = tree.children_index.shape

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(num_roots, *shape, dtype=dtype, device=device)

        self._num_simulations = num_simulations
        self._num_roots = num_roots
        self._launcher = LAUNCHERS[device.type](device)
        self._advance = getattr(kernels, f"advance_on_{self._launcher.target}")
        self._decide = getattr(kernels, f"decide_on_{self._launcher.target}")
        self._leaves = empty(4, dtype=torch.int64).zero_()  # the fields of kernels.LEAF
        self._scores = empty(num_actions, dtype=torch.float64)
        self._evaluation = RecurrentOutput(empty(), empty(), empty(num_actions), empty())
        self._is_tuple = isinstance(tree.embeddings, tuple)
        stored = tree.embeddings if self._is_tuple else (tree.embeddings,)
        self._embeddings = [tensor.transpose(0, 1) for tensor in stored]  # [M, B, ...]

        view = self._launcher.view
        tree_arrays = kernels.Tree(
            nodes=self._launcher.records(tree.node_records, NODE),
            children=self._launcher.records(tree.child_records, CHILD),
            invalid_actions=view(tree.root_invalid_actions),
        )
        rules = kernels.Rules(
            num_simulations=num_simulations,
            max_depth=max_depth,
            qtransform=qtransform,
            pb_c_init=float(pb_c_init),
            pb_c_base=float(pb_c_base),
            uses_gumbel=gumbel is not None,
            gumbel=view(empty(0) if gumbel is None else gumbel),
            considered_visits=view(empty(0, dtype=torch.int32) if considered_visits is None else considered_visits),
        )
        frontier = kernels.Frontier(self._launcher.records(self._leaves, kernels.LEAF), view(self._scores))
        evaluation = kernels.Evaluation(*map(view, self._evaluation))
        self._arguments = (tree_arrays, rules, frontier, evaluation)

    def run(self, recurrent_fn: RecurrentFn) -> None:
        """Simulate; each simulation calls the model once for all roots.

        Raises:
            ValueError: the model returned a wrong shape, NaN or inf.
        """
        flat = [stored.flatten(0, 1) for stored in self._embeddings]
        parent_row, action = self._leaves[:, 0], self._leaves[:, 1]
        self._launch(self._advance, 0, *self._arguments)
        for simulation in range(1, self._num_simulations + 1):
            parents = tuple(stored.index_select(0, parent_row) for stored in flat)
            output, embedding = recurrent_fn(action.clone(), parents if self._is_tuple else parents[0])
            self._take_output(output)
            self._take_embedding(embedding, simulation)
            self._launch(self._advance, simulation, *self._arguments)
        faults = self._leaves[:, 3]
        if faults.any():  # the search's wait for the device
            root = int(faults.nonzero()[0])
            field = RecurrentOutput._fields[int(faults[root]) - 1]
            raise ValueError(f"recurrent_fn returned a {field} that is NaN or inf in the search from root {root}.")

    def decide(self) -> tuple[Int[Tensor, " B"], Float[Tensor, "B A"]]:
        """Return the best of each root's most visited actions by g + logits + σ(completedQ), and σ(completedQ)."""
        self._launch(self._decide, *self._arguments[:3])
        return self._leaves[:, 1].clone(), self._scores.float()

    def _launch(self, kernel: Any, *arguments: Any) -> None:
        self._launcher.launch(kernel, self._num_roots, arguments)

    def _take_output(self, output: RecurrentOutput) -> None:
        """Copy what the model said to where the kernels read it."""
        for name, result, place in zip(RecurrentOutput._fields, output, self._evaluation, strict=True):
            if result.shape != place.shape:
                raise ValueError(
                    f"recurrent_fn returned {name} of shape {list(result.shape)}; it must be {list(place.shape)}."
                )
            place.copy_(result)

    def _take_embedding(self, embedding: Embedding, simulation: int) -> None:
        """Store the embeddings of the nodes that this simulation adds.

        A root that evaluates a leaf at ``max_depth`` once more adds none, and its entry is never read.
        """
        new = embedding if isinstance(embedding, tuple) else (embedding,)
        expected = [list(stored.shape[1:]) for stored in self._embeddings]
        if isinstance(embedding, tuple) != self._is_tuple or [list(tensor.shape) for tensor in new] != expected:
            raise ValueError(
                f"recurrent_fn returned an embedding of shape {[list(tensor.shape) for tensor in new]}; it must be "
                f"{'a tuple' if self._is_tuple else 'a tensor'} as the root's, of shape {expected}."
            )
        for stored, tensor in zip(self._embeddings, new, strict=True):
            stored[simulation].copy_(tensor)

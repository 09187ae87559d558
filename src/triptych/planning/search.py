"""The search loop: descend in all trees, ask the model once, grow all trees.

The kernels work in the memory of the tree's tensors. On the CPU they see it as NumPy arrays, and the loop over the
roots runs on the calling thread: a second pool of threads beside torch's would fight with it for the same cores. On a
GPU they see it through ``__cuda_array_interface__`` and are queued on torch's current stream, so that nothing waits
for the device between the first simulation and the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.planning.qtransforms import QTransform
from triptych.planning.tree import Embedding, SearchTree, TreeArrays

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

    def launch(self, kernel: Any, num_roots: int, arguments: tuple[Any, ...]) -> None:
        num_blocks = -(-num_roots // THREADS_PER_BLOCK)
        kernel[num_blocks, THREADS_PER_BLOCK, self._stream](*arguments)


LAUNCHERS: dict[str, type[CpuLauncher] | type[CudaLauncher]] = {"cpu": CpuLauncher, "cuda": CudaLauncher}


class Search:
    """Grows the trees, one node for each simulation and root.

    Args:
        tree: holds the roots.
        max_depth: most actions from a root to a leaf.
        pb_c_init, pb_c_base: c1 and c2 of PUCT.
        gumbel: the noise at the roots, ``None`` for PUCT.
        considered_visits: the schedule of Sequential Halving, ``None`` for PUCT.
    """

    def __init__(
        self,
        tree: SearchTree,
        max_depth: int,
        qtransform: QTransform,
        *,
        pb_c_init: float = 0.0,
        pb_c_base: float = 1.0,
        gumbel: Float[Tensor, "B A"] | None = None,
        considered_visits: Int[Tensor, "B simulations"] | None = None,
    ) -> None:
        from triptych.planning import kernels  # Numba is loaded by the first search, not by an import of this room

        self.tree = tree
        self.num_roots, self.num_nodes, self.num_actions = tree.children_visits.shape
        self._device = tree.parents.device
        self._launcher = LAUNCHERS[self._device.type](self._device)
        self._kernels = {name: getattr(kernels, f"{name}_on_{self._launcher.target}") for name in ("descend", "grow", "decide")}

        self._frontier = kernels.Frontier(
            parent_row=self._empty(torch.int64),
            action=self._empty(torch.int64),
            child_row=self._empty(torch.int64),
            scores=self._empty(torch.float64, self.num_actions),
        )
        self._evaluation = kernels.Evaluation(
            reward=self._empty(torch.float32),
            discount=self._empty(torch.float32),
            prior_logits=self._empty(torch.float32, self.num_actions),
            value=self._empty(torch.float32),
        )
        view = self._launcher.view
        no_noise, no_schedule = self._empty(torch.float32, 0), self._empty(torch.int32, 0)
        self._rules = kernels.Rules(
            uses_gumbel=gumbel is not None,
            max_depth=max_depth,
            qtransform=qtransform,
            pb_c_init=float(pb_c_init),
            pb_c_base=float(pb_c_base),
            gumbel=view(no_noise if gumbel is None else gumbel),
            considered_visits=view(no_schedule if considered_visits is None else considered_visits),
        )
        self._tree_arrays = TreeArrays(*map(view, tree))
        self._frontier_arrays = kernels.Frontier(*map(view, self._frontier))
        self._evaluation_arrays = kernels.Evaluation(*map(view, self._evaluation))

    def run(self, recurrent_fn: RecurrentFn, num_simulations: int) -> None:
        """Simulate; each simulation calls the model once for all roots."""
        for simulation in range(num_simulations):
            self._launch("descend", self._tree_arrays, self._rules, simulation, self._frontier_arrays)
            output, embedding = recurrent_fn(self._frontier.action.clone(), self._parent_embedding())
            self._take(output)
            self._launch("grow", self._tree_arrays, self._frontier_arrays, self._evaluation_arrays)
            self._store_embedding(embedding)

    def decide(self) -> tuple[Int[Tensor, " B"], Float[Tensor, "B A"]]:
        """Return the best of each root's most visited actions by g + logits + σ(completedQ), and σ(completedQ)."""
        self._launch("decide", self._tree_arrays, self._rules, self._frontier_arrays)
        return self._frontier.action, self._frontier.scores.float()

    def _empty(self, dtype: torch.dtype, *shape: int) -> Tensor:
        return torch.empty((self.num_roots, *shape), dtype=dtype, device=self._device)

    def _launch(self, name: str, *arguments: Any) -> None:
        self._launcher.launch(self._kernels[name], self.num_roots, arguments)

    def _parent_embedding(self) -> Embedding:
        row = self._frontier.parent_row
        if isinstance(self.tree.embeddings, tuple):
            return tuple(nodes.flatten(0, 1).index_select(0, row) for nodes in self.tree.embeddings)
        return self.tree.embeddings.flatten(0, 1).index_select(0, row)

    def _take(self, output: RecurrentOutput) -> None:
        """Copy what the model returned to where the kernels read it."""
        for name, result, place in zip(RecurrentOutput._fields, output, self._evaluation, strict=True):
            if result.shape != place.shape:
                raise ValueError(
                    f"recurrent_fn returned {name} of shape {list(result.shape)}; it must be {list(place.shape)}."
                )
            place.copy_(result)

    def _store_embedding(self, embedding: Embedding) -> None:
        """Write the embedding of the new nodes, of the shapes and the structure that the root's had."""
        stored, new = _leaves(self.tree.embeddings), _leaves(embedding)
        shapes = [[self.num_roots, *nodes.shape[2:]] for nodes in stored]
        if shapes != [list(tensor.shape) for tensor in new]:
            raise ValueError(
                f"recurrent_fn returned an embedding of shape {[list(tensor.shape) for tensor in new]}; "
                f"it must have the root's, {shapes}."
            )
        for nodes, tensor in zip(stored, new, strict=True):
            nodes.flatten(0, 1).index_copy_(0, self._frontier.child_row, tensor.to(nodes.dtype))


def _leaves(embedding: Embedding) -> tuple[Tensor, ...]:
    return embedding if isinstance(embedding, tuple) else (embedding,)

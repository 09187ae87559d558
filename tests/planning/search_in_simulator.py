"""Search the cases on standard input through the CUDA kernels in Numba's simulator; print visits and weights.

It must be a process of its own: Numba reads NUMBA_ENABLE_CUDASIM and NUMBA_DISABLE_JIT when it is imported.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2])]

from tests.planning.cases import search  # noqa: E402
from triptych.planning.search import LAUNCHERS, CudaLauncher  # noqa: E402


class SimulatedLauncher(CudaLauncher):
    """The launches of ``CudaLauncher`` over memory of the host, which the simulator works in."""

    def __init__(self, device):
        self._stream = 0

    def view(self, tensor):
        return tensor.numpy()

    def records(self, tensor, dtype):
        return tensor.numpy().view(dtype)[..., 0].view(np.recarray)


LAUNCHERS["cpu"] = SimulatedLauncher
for case in json.load(sys.stdin):
    output = search(case)
    visits = output.search_tree.summary().visit_counts.tolist()
    print(json.dumps([output.action.tolist(), visits, output.action_weights.tolist()]))

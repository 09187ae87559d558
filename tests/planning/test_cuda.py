import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from numba import typeof, types
from numba.cuda.compiler import compile_cuda

from tests.planning.cases import search
from triptych.planning import kernels
from triptych.planning.search import LAUNCHERS, THREADS_PER_BLOCK, CpuLauncher, CudaLauncher
from triptych.types import ConfigurationError

SCRIPT = Path(__file__).with_name("search_in_simulator.py")
GOLDEN = Path(__file__).with_name("golden")
NAMES = (
    "muzero_policy_by_parent_and_siblings_8",
    "muzero_policy_by_min_max_25",
    "gumbel_muzero_policy_completed_8",
    "gumbel_muzero_policy_completed_unscaled_25",
)


def repeated(case, times):
    """Return the case with its roots repeated: more roots than one block has threads."""
    return {**case, **{name: case[name] * times for name in ("root_state", "noise")}} | (
        {} if case["invalid_actions"] is None else {"invalid_actions": case["invalid_actions"] * times}
    )


def test_the_cuda_kernels_search_alike_in_the_simulator():
    cases = [json.loads((GOLDEN / f"{name}.json").read_text()) for name in NAMES]
    cases.append(repeated(cases[2], 1 + THREADS_PER_BLOCK // len(cases[2]["root_state"])))
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    process = subprocess.run(
        [sys.executable, str(SCRIPT)], input=json.dumps(cases), env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(answers) == len(cases)
    for case, (action, visits, weights) in zip(cases, answers, strict=True):
        compiled = search(case)
        assert visits == compiled.search_tree.summary().visit_counts.tolist()
        assert action == compiled.action.tolist()
        torch.testing.assert_close(torch.tensor(weights), compiled.action_weights, rtol=0, atol=1e-5)


class NotCompiled:
    def __getitem__(self, configuration):
        raise ImportError("libNVVM cannot be found. Do `conda install cudatoolkit`:\nlibnvvm.so: no such file")


def test_a_compiler_for_cuda_that_is_missing_is_told():
    launcher = CudaLauncher.__new__(CudaLauncher)
    launcher._stream = None
    with pytest.raises(ConfigurationError, match=r"\(libNVVM cannot be found.*toolkit`\): let CUDA_HOME name"):
        launcher.launch(NotCompiled(), 1, ())


class Recorder(CpuLauncher):
    """Keeps the types of what each kernel is called with."""

    signatures: ClassVar[dict[str, tuple]] = {}

    def launch(self, kernel, num_roots, arguments):
        self.signatures[kernel.__name__] = tuple(map(typeof, arguments))
        super().launch(kernel, num_roots, arguments)


def test_the_kernels_compile_for_a_gpu(monkeypatch):
    """As far as they can without one: to the code that CUDA's own compiler takes."""
    monkeypatch.setitem(LAUNCHERS, "cpu", Recorder)
    search(json.loads((GOLDEN / "gumbel_muzero_policy_completed_8.json").read_text()))
    assert set(Recorder.signatures) == {"advance_on_cpu", "decide_on_cpu"}
    for name, signature in Recorder.signatures.items():
        kernel = getattr(kernels, name.replace("cpu", "cuda"))
        compile_cuda(kernel.py_func, types.void, signature, cc=(9, 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_searches_as_the_cpu_does(name):
    case = json.loads((GOLDEN / f"{name}.json").read_text())
    expected = search(case)
    with torch.device("cuda"):
        found = search(case)
    assert found.action.is_cuda
    assert found.action.tolist() == expected.action.tolist()
    assert found.search_tree.summary().visit_counts.tolist() == expected.search_tree.summary().visit_counts.tolist()
    torch.testing.assert_close(found.action_weights.cpu(), expected.action_weights, rtol=0, atol=1e-5)

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.planning.cases import search
from triptych.planning.search import THREADS_PER_BLOCK

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

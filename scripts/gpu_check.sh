#!/usr/bin/env bash
# The GPU path once for real, unattended, in at most eight minutes: scripts/gpu_check.sh [OUT_FOLDER]
# The packages must be importable (installed, or on PYTHONPATH); this checkout's src is put before them.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-outputs/gpu_check}
mkdir -p "$out"
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
python3 scripts/gpu_check.py "$out/runs" --out "$out/gpu_check.json" --minutes "${MINUTES:-8}" 2>&1 | tee "$out/gpu_check.log"
exit "${PIPESTATUS[0]}"

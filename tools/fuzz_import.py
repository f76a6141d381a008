# SPDX-License-Identifier: Apache-2.0
"""The fuzz campaign: mutated models through load, check, convert, save and run (docs/robustness.md).

    python -m tools.fuzz_import --models 20000 --seed 0

Ends with status 1 if any model crashed a process, held a stage up for more than 5 s, took more than 2 GiB, or raised
anything but SwmError. Such models are kept for reproduction: `python -m tools.fuzz_import --replay FILE.onnx`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import onnx
import onnxruntime

from tests.fuzzing import campaign, seeds, worker

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Parse options, run, print totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=20_000, help="different mutated models to try")
    parser.add_argument("--seed", type=int, default=0, help="of all chance")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for models that violate")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "models", help="further seeds")
    parser.add_argument("--json", type=Path, help="write the totals there")
    parser.add_argument("--replay", type=Path, help="run one kept model in this process and print what it did")
    options = parser.parse_args()
    if options.replay:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(worker.case(options.replay, Path(scratch)), indent=1))
        return 0

    def say(totals: campaign.Totals) -> None:
        rate = totals.models / max(totals.seconds, 1e-9)
        text = f"{totals.models} models, {len(totals.violations)} violations, {rate:.1f} models/s"
        print(text, file=sys.stderr, flush=True)

    found = sorted(seeds.everything(options.shared).items())
    totals = campaign.run(found, options.models, seed=options.seed, jobs=options.jobs, keep=options.keep, progress=say)
    versions = {"python": platform.python_version(), "onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    result = {"seed": options.seed, "seeds": len(found), "jobs": options.jobs, **versions, **totals.to_json()}
    text = json.dumps(result, indent=1)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if totals.violations else 0


if __name__ == "__main__":
    sys.exit(main())

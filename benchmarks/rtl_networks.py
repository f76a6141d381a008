# SPDX-License-Identifier: Apache-2.0
"""Random networks of random parallelism in RTL: every word, interval and latency held against engine and simulation.

    python benchmarks/rtl_networks.py --seeds 0 20

Networks come from tests/hls/random_networks.py: kinds, block sizes to 16, widths from 4 to 18 bits, tokens, joins; with
`--images` each is one kernel over an image (tests/rtl/random_images.py). Each group of `--group` is one Verilator
model. Exit status 1 where a word differs or cycles differ by more than 2 % (or 2).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "hls")]

from rtl.many_networks import random_design, run_all  # noqa: E402
from rtl.random_images import random_image  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 20), metavar=("FIRST", "LAST"))
    parser.add_argument("--group", type=int, default=5, help="networks of one model")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--images", action="store_true", help="convolutions and pooling instead")
    options = parser.parse_args()
    first, last = options.seeds
    failed = exact = 0
    print("seed | layers | tokens | interval modelled | measured | latency modelled | measured | words")
    for start in range(first, last, options.group):
        seeds = range(start, min(start + options.group, last))
        with tempfile.TemporaryDirectory() as folder:
            drawn = [(random_image(seed), None) if options.images else random_design(seed) for seed in seeds]
            results, _ = run_all(drawn, Path(folder), options.frames)
        for seed, result in zip(seeds, results, strict=True):
            plan = result.design.schedule
            pairs = ((result.interval, plan.interval), (result.latency, plan.latency))
            right = result.status == 0 and all(abs(a - b) <= max(2, 0.02 * b) for a, b in pairs)
            failed += not right
            exact += all(a == b for a, b in pairs)
            row = (seed, len(plan.layers), plan.input.positions, plan.interval, f"{result.interval:g}", plan.latency)
            print(*row, result.latency, "equal" if result.status == 0 else result.text.strip(), sep=" | ", flush=True)
    print(f"{last - first} networks: {failed} wrong, {exact} with exactly the modelled cycles")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""From an ONNX file to a bitstream with open tools: commands, wall times, the clock.

    python benchmarks/bitstream.py --board ulx3s --block 8 --bits 8
    python benchmarks/bitstream.py --model model.onnx --calibration x.npy --board tangnano20k

Without --model the bundled network (784-512-512-10) is taken, with its images. --block 0 leaves the network as it is.
The design is as fast as the board's serial line, unless --interval says otherwise. The tools:
pip install 'swm-fpga[open]'
and Verilator. Steps that `swm build` knows from before take no time; --fresh gives it an
empty cache. Exit status 1 where a command fails or the whole took more than --minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="ulx3s")
    parser.add_argument("--block", type=int, default=8)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--model", help="an ONNX file; then --calibration, too")
    parser.add_argument("--calibration", help="inputs, .npy")
    parser.add_argument("--vectors", help="inputs that are simulated, .npy")
    parser.add_argument("--labels", help="their classes, .npy")
    parser.add_argument("--interval", help="cycles, line, or fastest")
    parser.add_argument("--fresh", action="store_true", help="nothing is known from before")
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        environment = os.environ | ({"SWM_CACHE": str(folder / "cache")} if options.fresh else {})
        model, calibration, vectors = inputs(options, folder)
        convert = ["convert", model, "-o", "small.onnx", "--block", str(options.block), "--calibration", calibration]
        pace = ["--interval", options.interval] if options.interval else []
        commands = [
            *([convert] if options.block else []),
            ["emit", "small.onnx" if options.block else model, "-o", "project", "--board", options.board,
             "--backend", "rtl", "--bits", str(options.bits), "--calibration", calibration, *pace, *vectors],
            ["verify", "--rtl", "project"],
            ["build", "project"],
        ]  # fmt: skip
        start = time.perf_counter()
        for arguments in commands:
            print("$", shlex.join(["swm", *arguments]), flush=True)
            begun, before = time.perf_counter(), cpu()
            command = [sys.executable, "-m", "swm", *arguments]
            done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            print(done.stdout.rstrip())
            print(f"  {time.perf_counter() - begun:.1f} s, {cpu() - before:.1f} s of CPU", flush=True)
            if done.returncode:
                return 1
        seconds = time.perf_counter() - start
        built = json.loads((folder / "project" / "measured" / "build.json").read_text())["value"]
        size = (folder / "project" / built["bitstream"]).stat().st_size
        print(
            f"in all {seconds:.0f} s, {cpu():.0f} s of CPU; Fmax {built['fmax_mhz']:.2f} MHz, board"
            f" {built['clock_mhz']:g} MHz; {built['bitstream']}, {size:,} bytes"
        )
    return 0 if seconds <= 60 * options.minutes else 1


def cpu() -> float:
    """Seconds of user and system that commands took so far, with all that they ran."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def inputs(options: argparse.Namespace, folder: Path) -> tuple[str, str, list[str]]:
    """Model, calibration, and the options that give test vectors."""
    if options.model:
        given = [(flag, getattr(options, flag)) for flag in ("vectors", "labels")]
        more = [part for flag, path in given if path for part in (f"--{flag}", str(Path(path).resolve()))]
        return str(Path(options.model).resolve()), str(Path(options.calibration).resolve()), more
    from swm import bundled

    images, labels = bundled.test()
    for name, values in (("x", bundled.calibration()[0]), ("t", images[:100]), ("l", labels[:100])):
        np.save(folder / f"{name}.npy", values)
    return str(bundled.model_path()), "x.npy", ["--vectors", "t.npy", "--labels", "l.npy"]


if __name__ == "__main__":
    sys.exit(main())

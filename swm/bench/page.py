# SPDX-License-Identifier: Apache-2.0
"""The documentation's page of results, from JSON: `python -m swm.bench.page FILE.json... > docs/benchmarks.md`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from swm.bench.tables import headlines, markdown_table

__all__ = ["page"]

_INTRO = """# Benchmarks

Written by `python -m swm.bench.page` from `benchmarks/results/*.json`; measure again with

    pip install swm-fpga
    swm bench kernels --json benchmarks/results/kernels.json --plot benchmarks/results/kernels.svg
    swm bench conv --json benchmarks/results/conv.json --plot benchmarks/results/conv.svg
    swm bench rnn --json benchmarks/results/rnn.json --plot benchmarks/results/rnn.svg
    swm bench fixed --json benchmarks/results/fixed.json --plot benchmarks/results/fixed.svg
    swm bench convert --json benchmarks/results/convert.json --plot benchmarks/results/convert.svg
    swm bench models models --json benchmarks/results/models.json --plot benchmarks/results/models.svg
    python -m swm.bench.page benchmarks/results/{kernels,conv,rnn,fixed,convert,models}.json > docs/benchmarks.md

Contenders take turns on the same data; a figure is the median of the rounds, and the spread is the distance between
the quartiles over the median. The baseline is the fastest of numpy's BLAS (matrix stored either way) and onnxruntime,
on the same number of threads. Error is the largest deviation from float64 over the largest output. "Of limit" is the
larger of two shares: operations over the measured peak of multiply-adds, bytes (weights, inputs, outputs, once each)
over the measured reading rate of a working set of that size. A complex multiply-add counts as 6 operations where the
compiled kernel does it in three real ones, as 8 elsewhere.
"""
_WORDS = {
    "kernels": "## Block-circulant products (n/k/batch)\n\nRows of k = n/8 at batch 64 are not timed against dense; "
    "they carry the fit of time against n.\n",
    "conv": "## Block-circulant convolutions (channels, kernel on image/k/batch)\n\nAs many output as input channels, "
    "the image padded with zeros. The baseline is onnxruntime's Conv. Engine `dense` means that swm itself chose to "
    "run the layer with its weights written out.\n",
    "rnn": "## Recurrent layers (inputs-cells/k/batch)\n\n50 steps from zero states, W and R of one block size. The "
    "baseline is onnxruntime's LSTM or GRU; both sides include the product with W. R is read again at every step: its "
    "share of the limit is that of reading a working set of its size. Gates are not counted as operations.\n",
    "models": "## Converted models (`swm bench models`)\n\nEvery model of a folder, its weights projected to block 8 "
    "or the largest smaller block at which a layer is large enough, run by `swm.run` as a user gets it, beside "
    "onnxruntime on the original file. One thread, kernels built. A model with a fixed batch is called once a batch on "
    "both sides. Error is the largest deviation of `swm.run` from onnxruntime on the converted file, over the largest "
    "output: it says nothing of what the conversion costs in accuracy, for which see results.md.\n",
    "fixed": "## Bit-accurate integer inference\n\nDense-equivalent multiply-accumulates: those of the uncompressed "
    "network; of a layer without products the values it writes. Words and saturation counts of both engines are "
    "compared before they are timed.\n",
    "convert": "## Conversion by least squares\n\nOne layer with a small dense one behind it, in a process of its own: "
    "a matrix n x n, a convolution 3x3 of n channels to n on 14 x 14 pixels, an LSTM of n inputs and n cells over 50 "
    "steps. The weights are block-circulant but for noise of 0.3 of their size, the inputs Gaussian noise: of a matrix "
    "or a convolution 25 % (k = 4) to 29 % (k = 64) of the outputs is the least that any fit can leave. The error "
    "is measured on inputs that the fit has not seen. MiB over model: the greatest memory of the process, calibration "
    "inputs and the loading itself included, over what it had once the model was loaded. In the JSON dense_ms, speedup "
    "and limit_fraction are null: there is no dense contender.\n",
}


def page(results: list[dict[str, Any]]) -> str:
    """The whole page as Markdown."""
    parts = [_INTRO]
    for result in results:
        lines = "\n".join(f"- {line}" for line in headlines(result))
        name = result["benchmark"]
        plots = f"![Plots of swm bench {name}](../benchmarks/results/{name}.svg)"
        parts.append(f"{_WORDS[name]}\n{markdown_table(result)}\n\n{lines}\n\n{plots}\n")
    return "\n".join(parts)


def main() -> None:
    """Print the page of the results in some files."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python -m swm.bench.page benchmarks/results/*.json > docs/benchmarks.md"
    )
    parser.add_argument("results", nargs="+", type=Path, help="JSON files that `swm bench ... --json` wrote")
    files = parser.parse_args().results
    sys.stdout.write(page([json.loads(file.read_text(encoding="utf-8")) for file in files]))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Networks over images from the file to the C simulation: errors at several widths, words compared, cycles, seconds.

    python benchmarks/image_networks.py MODELS DATA                     # all of them, as a table
    python benchmarks/image_networks.py MODELS DATA --only lenet5_ccoltong --bits 12

MODELS and DATA are folders as shared/models and shared/data. Formats come from 100 training samples; error, accuracy
and the C simulation from test samples, normalised as docs/results.md says. Error: root mean square of the difference
from onnxruntime over the standard deviation of its answers. Exit status 1 where a word differs. Needs pillow.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import swm
from swm.report.figures import design_figures

CALIBRATION, COMPARED = 100, 1000
HEAD = (
    *("model", "data", "bits", "error", "answers as onnxruntime", "accuracy", "onnxruntime's"),
    *("words compared", "differ", "interval", "useful", "compile, s", "run, s"),
)


@dataclass(frozen=True)
class Network:
    """A file, the data that it was made for, what is subtracted from a value, by what that is divided, and a board."""

    file: str
    data: str
    mean: tuple[float, ...]
    deviation: float | tuple[float, ...]
    board: str = "zcu104"


NETWORKS = (
    Network("cnn/lenet5_ccoltong.onnx", "mnist", (0.1307 * 255,), 0.3081 * 255),
    Network("cnn/onnxzoo_mnist-8.onnx", "mnist", (0.0,), 1.0),
    Network("mlperf_tiny/alibaba_kws.onnx", "kws01", (83.0,), 1 / 0.5847),
    Network("cnn/vnn_oval21_deep.onnx", "cifar10", (0.485 * 255, 0.456 * 255, 0.406 * 255), 0.225 * 255),
    Network("cnn/vnn_resnet_2b.onnx", "cifar10", (0.4914 * 255, 0.4822 * 255, 0.4465 * 255), 0.25 * 255),
    Network(
        "transformer/vnn_vit_ibp_3_3_8.onnx",
        "cifar10",
        (0.4914 * 255, 0.4822 * 255, 0.4465 * 255),
        (0.2023 * 255, 0.1994 * 255, 0.2010 * 255),
    ),
)


def samples(network: Network, data: Path, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Calibration samples, test samples and their labels."""
    spec = importlib.util.spec_from_file_location("load", data / "load.py")
    assert spec is not None
    assert spec.loader is not None
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    if network.data == "mnist":
        train, _, test, labels = loader.mnist()
    elif network.data == "cifar10":
        train, test, labels = cifar(data)
    else:  # test inputs only: the first ones set the formats
        values, answers = loader.kws01()
        train, test, labels = values[:CALIBRATION], values[CALIBRATION:], answers[CALIBRATION:]
    images = []
    for values in (train[:CALIBRATION], test[:COMPARED]):
        centred = (values.astype(np.float32) - np.array(network.mean, np.float32)) / np.array(
            network.deviation, np.float32
        )
        planes = np.moveaxis(centred, -1, 1) if centred.ndim == 4 else centred
        images.append(np.ascontiguousarray(planes, np.float32).reshape(-1, *shape))
    return images[0], images[1], labels[:COMPARED].astype(np.int64)


def cifar(data: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The first training and test images of the lossy copy, (n, 32, 32, 3), and the test labels."""
    stored = np.load(data / "cifar10" / "cifar10_jpeg75.npz")
    blob, ends = stored["jpeg"].tobytes(), stored["offsets"]
    places = (range(CALIBRATION), range(50000, 50000 + COMPARED))
    train, test = (
        np.stack([np.asarray(Image.open(io.BytesIO(blob[ends[i] : ends[i + 1]]))) for i in place]) for place in places
    )
    return train, test, stored["label_test"]


def measured(network: Network, folder: Path, data: Path, widths: list[int], frames: int) -> Iterator[list[str]]:
    """A row for each width; the C simulation runs `frames` samples."""
    graph = swm.simplify(swm.load(folder / network.file))
    declared = graph.inputs[0].type
    assert declared is not None
    assert declared.shape is not None
    shape = tuple(size if isinstance(size, int) else 1 for size in declared.shape[1:])
    calibration, x, labels = samples(network, data, shape)
    want = swm.run(graph, x).reshape(len(x), -1)
    for bits in widths:
        fixed = swm.quantize(graph, bits=bits, calibration=calibration)
        got = swm.run(fixed, x).reshape(want.shape)
        error = float(np.sqrt(np.mean((got - want) ** 2)) / want.std())
        answers, wanted = got.argmax(1), want.argmax(1)
        right = [f"{100 * np.mean(a == labels):.1f} %" for a in (answers, wanted)]
        made = swm.design(fixed, board=network.board)
        useful = design_figures(made.schedule).useful_share
        with tempfile.TemporaryDirectory() as scratch:
            project = swm.emit(made, path=Path(scratch) / "p", vectors=x[:frames], allow_overflow=True)
            found = project.verify()
        assert isinstance(found, swm.Verification)
        fits = "" if made.schedule.fits else ", too large"
        yield [
            *(network.file, network.data, str(bits), f"{100 * error:.2f} %"),
            *(f"{100 * np.mean(answers == wanted):.1f} % of {len(x):,}", *right),
            *(f"{found.words:,}", str(found.mismatches), f"{made.schedule.interval:,} ({network.board}{fits})"),
            "" if useful is None else f"{100 * useful:.0f} %",
            *(f"{found.compile_seconds:.0f}", f"{found.run_seconds:.1f}"),
        ]


def main() -> int:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", help="part of a file name")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 12, 16])
    parser.add_argument("--frames", type=int, default=100, help="samples of the C simulation")
    options = parser.parse_args()
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    differ, start = 0, time.time()
    for network in NETWORKS:
        if options.only and options.only not in network.file:
            continue
        for row in measured(network, options.models, options.data, options.bits, options.frames):
            differ += int(row[8])
            print("| " + " | ".join(row) + " |", flush=True)
    print(f"\n{time.time() - start:.0f} s", file=sys.stderr)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())

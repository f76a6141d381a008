# SPDX-License-Identifier: Apache-2.0
"""Accuracy of models whose task is known: dense, and converted one-shot at blocks 4, 8, 16 and to budgets of 2x and 4x.

    python benchmarks/accuracy.py --shared FOLDER               # all models, writes docs/results.md
    python benchmarks/accuracy.py --models bundled,mnist-net     # some

Data and models come from a folder with `data/` and `models/` (`--shared` or SWM_SHARED). Each row is kept in
benchmarks/results/accuracy.json as soon as it is measured, with its date; the page is made of all that stand there. A
model's input normalisation counts as established if its dense accuracy reaches the floor stated beside it; otherwise it
is skipped, and the table says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import swm
from swm import bundled
from swm.compress import accuracy
from swm.errors import OptionError
from swm.graph import Graph
from swm.onnx_io import from_proto

Array = NDArray[Any]
BLOCKS = (4, 8, 16)
BUDGETS = ("2x", "4x")
BITS = 12
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "accuracy.json"


@dataclass(frozen=True)
class Case:
    """A model, its data, what its inputs are, and the dense accuracy below which the inputs are not understood."""

    name: str
    path: str
    data: str
    inputs: str
    prepare: Callable[[Array], Array]
    floor: float
    calibration: int
    test: int


def _unit(x: Array) -> Array:
    return x / np.float32(255)


def _standard(x: Array) -> Array:
    return (x / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)


def _raw(x: Array) -> Array:
    return x


def _mfcc(x: Array) -> Array:
    return (x - np.float32(83)) * np.float32(0.5847029)  # zero point and scale of MLPerf Tiny's int8 reference model


def cifar(mean: tuple[float, ...], deviation: tuple[float, ...]) -> Callable[[Array], Array]:
    def prepare(x: Array) -> Array:
        scaled = (x / 255 - np.array(mean)) / np.array(deviation)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    return prepare


MNIST = "mnist"
CASES = (
    Case("bundled MLP", "", MNIST, "0..1", _unit, 0.97, 8192, 10000),
    Case("mnist-net 256x2", "mlp/vnn_mnist-net_256x2.onnx", MNIST, "0..1", _unit, 0.95, 8192, 10000),
    Case("ERAN sigmoid 6x200", "mlp/vnn_eran_ffnnSIGMOID_6x200.onnx", MNIST, "0..1", _unit, 0.95, 8192, 10000),
    Case("onnx-mlir mnist", "mlp/onnx-mlir_mnist.onnx", MNIST, "mean .1307, std .3081", _standard, 0.88, 8192, 10000),
    Case("hyochan", "dynamo/hyochan_mnist/mnist.onnx", MNIST, "mean .1307, std .3081", _standard, 0.95, 8192, 10000),
    Case("LeNet-5", "cnn/lenet5_ccoltong.onnx", MNIST, "mean .1307, std .3081", _standard, 0.97, 1000, 2000),
    Case("burn mnist", "cnn/burn_mnist.onnx", MNIST, "mean .1307, std .3081", _standard, 0.97, 1000, 2000),
    Case("djl mnist", "cnn/djl_mnist.onnx", MNIST, "0..1", _unit, 0.97, 1000, 2000),
    Case("ONNX zoo mnist-8", "cnn/onnxzoo_mnist-8.onnx", MNIST, "0..255", _raw, 0.97, 1000, 2000),
    Case("verivital avgpool", "cnn/vnn_verivital_avgpool.onnx", MNIST, "0..1", _unit, 0.95, 1000, 2000),
    Case("alibaba kws", "mlperf_tiny/alibaba_kws.onnx", "kws", "MFCC, (x - 83) * 0.5847", _mfcc, 0.85, 500, 500),
    Case(
        "VNN-COMP resnet_2b", "cnn/vnn_resnet_2b.onnx", "cifar", "CIFAR-10 mean, std",
        cifar((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)), 0.5, 1000, 2000,
    ),
    Case(
        "VNN-COMP oval21 deep", "cnn/vnn_oval21_deep.onnx", "cifar", "mean .485 .456 .406, std .225",
        cifar((0.485, 0.456, 0.406), (0.225, 0.225, 0.225)), 0.4, 1000, 2000,
    ),
    Case(
        "VNN-COMP biasfield base", "cnn/vnn_cifar_biasfield_base.onnx", "cifar", "ImageNet mean, std",
        cifar((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), 0.7, 1000, 2000,
    ),
)  # fmt: skip


def shared_data(shared: Path) -> ModuleType:
    """The loaders that lie beside the data."""
    spec = importlib.util.spec_from_file_location("shared_load", shared / "data" / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_data(loaders: ModuleType, case: Case) -> tuple[Array, Array, Array]:
    """Calibration inputs, test inputs, test labels, as stored."""
    if case.data == "kws":
        x, y = loaders.kws01()
        order = np.random.default_rng(0).permutation(len(x))  # only test inputs exist: half calibrate, half test
        fit, rest = order[: case.calibration], order[case.calibration :][: case.test]
        return x[fit], x[rest], y[rest]
    train, _, test, labels = loaders.cifar10_jpeg() if case.data == "cifar" else loaders.mnist()
    return train[: case.calibration], test[: case.test], labels[: case.test]


def load_model(path: Path, sample: Array) -> Graph:
    """The model, with a free batch where it then still gives what it gave: a batch of one is far slower."""
    model = onnx.load(path)
    fixed = from_proto(model, str(path))
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    try:
        free = from_proto(model, str(path))
        if np.allclose(swm.run(free, sample), swm.run(fixed, sample), atol=1e-4):
            return free
    except swm.SwmError:
        pass  # a Reshape, say, has the batch written in it
    return fixed


def shaped(graph_shape: tuple[Any, ...], x: Array) -> Array:
    """Inputs as the model declares them."""
    sizes = [d if isinstance(d, int) else 1 for d in graph_shape[1:]]
    return np.ascontiguousarray(x.reshape(len(x), *sizes), dtype=np.float32)


def measure(case: Case, loaders: ModuleType, shared: Path) -> dict[str, Any]:
    """One row of the table."""
    started = time.perf_counter()
    path = bundled.model_path() if not case.path else shared / "models" / case.path
    fit, test, labels = load_data(loaders, case)
    first = swm.load(path).inputs[0].type
    assert first is not None
    assert first.shape is not None
    calibration, inputs = (shaped(first.shape, case.prepare(part.astype(np.float32))) for part in (fit, test))
    graph = load_model(Path(path), inputs[:20])
    row: dict[str, Any] = {"model": case.name, "inputs": case.inputs, "calibration": len(fit), "test": len(test)}
    row["dense"] = accuracy(swm.run(graph, inputs), labels.astype(np.int64))
    if row["dense"] < case.floor:
        row["skipped"] = f"dense accuracy {100 * row['dense']:.1f} %, so its preprocessing is not established"
        return row
    ways: dict[str, dict[str, Any]] = {f"block {b}": {"block": b} for b in BLOCKS}
    ways |= {f"budget {b}": {"budget": b} for b in BUDGETS}
    row["converted"] = {}
    for name, way in ways.items():
        try:
            result = swm.convert(graph, calibration=calibration, hold_out=False, **way)  # measured below
        except OptionError as error:
            row["converted"][name] = {"refused": str(error)}  # a budget that the rules do not allow
            continue
        structured = [r for r in result.report.layers if r.structure != "dense"]
        if not structured:
            row["converted"][name] = {"refused": "no layer large enough"}
            continue
        row["converted"][name] = {
            "accuracy": accuracy(swm.run(result.graph, inputs), labels.astype(np.int64)),
            "fixed": fixed_accuracy(result.graph, calibration, inputs, labels.astype(np.int64)),
            "compression": result.report.compression,
            "layers": len(structured),
            "of": len(result.report.layers),
            "sizes": [r.block for r in result.report.layers],
        }
    row["seconds"] = time.perf_counter() - started
    row["date"] = date.today().isoformat()
    return row


def fixed_accuracy(graph: Graph, calibration: Array, inputs: Array, labels: Array) -> float | None:
    """Accuracy of the integer engine at 12 bits, None where the network has no hardware form yet."""
    if not swm.check(graph).ok:
        return None
    fixed = swm.quantize(graph, bits=BITS, calibration=calibration[:2000])
    return accuracy(swm.run(fixed, inputs), labels)


def to_markdown(rows: list[dict[str, Any]]) -> str:
    """The page."""
    lines = [
        "# Accuracy after conversion",
        "",
        "Measured by `python benchmarks/accuracy.py` with the float engine, each row on its date. One-shot: hidden "
        "channels in the order that blocks fit best (`swm/compress/permute.py`), data-aware least squares on training "
        "inputs without labels, errors that a ReLU swallows left out, dense matrices and convolutions behind "
        "structured ones refitted, no retraining. Rows marked * are from before hidden channels were put in order. "
        "Test inputs were not used for calibration. Compression counts the weights of all weighted layers (those that "
        "stay dense by rule included), padding included. Behind a slash: the network in 12-bit fixed point, by the "
        "integer engine, where every node has a hardware form; formats from 2,000 of the calibration inputs. "
        "`--budget` gives each layer a block size of its own, by sensitivity measured on the calibration inputs; in "
        "brackets the sizes in order of the layers, 1 where a layer stays dense.",
        "",
        "| model | inputs | calibration | tested on | dense % | "
        + " | ".join([*(f"block {b} %" for b in BLOCKS), *(f"budget {b} %" for b in BUDGETS)])
        + " | date |",
        "|---|---|---|---|---|---|" + "---|" * (len(BLOCKS) + len(BUDGETS)),
    ]
    for row in rows:
        if "skipped" in row:
            continue
        cells = []
        for name, got in row["converted"].items():
            if "refused" in got:
                cells.append("no layer large enough" if name.startswith("block") else "out of reach")
                continue
            fixed = "" if got["fixed"] is None else f" / {100 * got['fixed']:.2f}"
            what = f"{got['layers']} of {got['of']} weights"
            if name.startswith("budget"):
                what = " ".join(map(str, got["sizes"]))
            cells.append(f"{100 * got['accuracy']:.2f}{fixed} ({got['compression']:.2f}x, {what})")
        counts = f"{row['calibration']:,} | {row['test']:,} | {100 * row['dense']:.2f}"
        head = f"| {row['model']} | {row['inputs']} | {counts} |"
        when = row["date"] + ("" if row.get("permuted", True) else " *")
        lines.append(f"{head} {' | '.join([*cells, when])} |")
    skipped = [row for row in rows if "skipped" in row]
    if skipped:
        lines += ["", "Not in the table:", ""]
        lines += [f"- {row['model']}: {row['skipped']} (inputs tried: {row['inputs']})." for row in skipped]
    lines += [
        "",
        "CIFAR-10 is a lossy copy (JPEG quality 75); models trained on exact images lose up to 8 points on it. Of the "
        "keyword-spotting set only 1,000 test inputs exist: a random half calibrates, the other half tests.",
        "",
        "Which input normalisation a model expects was chosen by dense accuracy among up to six candidates, partly on "
        "test inputs (the first 2,000 MNIST images, the first 300 keyword inputs), so the dense column is slightly "
        "favourable; of the CIFAR ones biasfield's was searched for (8 candidates, 500 test images), the others "
        "were given. One run each, no repeats.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SWM_SHARED") or ROOT.parent / "shared"))
    parser.add_argument("--models", help="parts of names, separated by commas; default all")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results.md")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", action="store_true", help="only write the page from what is kept")
    options = parser.parse_args()
    wanted = options.models.split(",") if options.models else [""]
    loaders = None if options.page else shared_data(options.shared)
    kept = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else []
    by_name = {row["model"]: row for row in kept}
    for case in CASES:
        if loaders is not None and any(part in case.name for part in wanted):
            try:
                row = measure(case, loaders, options.shared)
            except (swm.SwmError, ImportError) as error:
                first = str(error).splitlines()[0]
                row = {"model": case.name, "inputs": case.inputs, "skipped": f"could not be measured ({first})"}
            by_name[case.name] = row
            print(json.dumps(row), flush=True)
            options.results.write_text(json.dumps(list(by_name.values()), indent=1) + "\n", encoding="utf-8")
    rows = [by_name[case.name] for case in CASES if case.name in by_name]
    before = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
    others = before[before.index("\n## ") :] if "\n## " in before else ""  # sections that other programs write
    options.output.write_text(to_markdown(rows) + others, encoding="utf-8")


if __name__ == "__main__":
    main()

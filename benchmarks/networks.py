# SPDX-License-Identifier: Apache-2.0
"""Networks from the file to the C simulation: errors and accuracy at several widths, words compared, cycles, seconds.

    python benchmarks/networks.py                              # all, onto docs/networks.md
    python benchmarks/networks.py --only lenet5 --bits 12      # some; the other rows stay
    python benchmarks/networks.py --page                       # only the page, from the rows that are kept

Each network is loaded, framed where it has to be (`model_frames.py`), left dense or converted one-shot at block 8,
quantized, designed for a board, emitted, and run in C simulation, a frame after the other through streams of the
design's depths. Rows are kept in benchmarks/results/networks.json as soon as they are measured. Models and data come
from a folder with `models/` and `data/` (`--shared` or SWM_SHARED); torch's exports are those of tests/exported. The
error is the root mean square of the difference from onnxruntime, on the same network in float, over the standard
deviation of its answers. Exit status 1 where a word differs. Needs pillow for CIFAR-10.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import google_lstm_verify
import numpy as np
from accuracy import CASES, Array, Case, cifar, load_data, shaped, shared_data
from compile_memory import compiled
from model_frames import FRAMES
from network_page import page

import swm
from swm.compress import accuracy
from swm.graph import Graph
from swm.report.figures import design_figures
from swm.report.roofline import fullest, slowest

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "networks.json", ROOT / "docs" / "networks.md"
BLOCK, BOARD = 8, "zcu104"
FITTED, TESTED, SIMULATED = 100, 1000, 100  # images: of the formats, of error and accuracy, of the C simulation
SEQUENCES = 20  # of error and C simulation
GOOGLE = "Google LSTM"

VIT = Case(
    "VNN-COMP vit", "transformer/vnn_vit_ibp_3_3_8.onnx", "cifar", "CIFAR-10 mean, std",
    cifar((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)), 0.5, FITTED, TESTED,
)  # fmt: skip
IMAGES = {
    case.path: replace(case, calibration=FITTED, test=TESTED)
    for case in (*CASES, VIT)
    if case.path.startswith(("cnn", "mlperf", "transformer"))
}
RANDOM = (
    *(
        "mlperf_tiny/alibaba_ad.onnx",
        "mlperf_tiny/finn_kws_w3a3_qonnx.onnx",
        "transformer/ezkl_multihead_attention.onnx",
    ),
    *("rnn/ezkl_lstm_medium.onnx", "rnn/workout_lstm_tanh_kfold.onnx", *FRAMES),
)
EXPORTED = {f"exported/{path.name}": path for path in sorted((ROOT / "tests" / "exported").glob("*.onnx"))}


@dataclass(frozen=True)
class Samples:
    """Inputs that set the formats, inputs that are measured, and labels of these, if there are any."""

    fitted: Array
    tested: Array
    labels: Array | None = None


def image_samples(case: Case, shared: Path, graph: Graph) -> Samples:
    """Of its data set, normalised as `accuracy.py` says."""
    fit, test, labels = load_data(shared_data(shared), case)
    fitted, tested = (shaped(shape_of(graph), case.prepare(part.astype(np.float32))) for part in (fit, test))
    return Samples(fitted, tested, labels.astype(np.int64))


def random_samples(graph: Graph) -> Samples:
    """Random values for the only input: letters where it takes bytes, magnitudes where it takes a spectrum."""
    declared = graph.inputs[0].type
    assert declared is not None
    rng, count = np.random.default_rng(0), FITTED + SEQUENCES
    shape = (count, *(size if isinstance(size, int) else 1 for size in shape_of(graph)[1:]))
    if declared.elem != 1:  # onnx.TensorProto.FLOAT
        x = rng.integers(32, 127, shape).astype(np.uint8)
    else:
        x = rng.normal(size=shape).astype(np.float32)
        x = np.abs(x) if shape[-1] == 257 else x  # a spectrum of 512 points
    return Samples(x[:FITTED], x[FITTED:])


def shape_of(graph: Graph) -> tuple[Any, ...]:
    """Of the first input."""
    declared = graph.inputs[0].type
    assert declared is not None
    assert declared.shape is not None
    return tuple(declared.shape)


def measured(name: str, shared: Path, widths: list[int], blocks: list[int]) -> Iterator[dict[str, Any]]:
    """A row for each structure and width."""
    path = EXPORTED.get(name, shared / "models" / name)
    graph = swm.load(path, simplify=True, detect=True)
    graph = FRAMES[name].of(graph) if name in FRAMES else graph
    if swm.check(graph).hardware == "none":  # docs/models.md says why
        return
    x = image_samples(IMAGES[name], shared, graph) if name in IMAGES else random_samples(graph)
    for block in blocks:
        network = graph
        if block > 1:
            result = swm.convert(graph, block=block, calibration=x.fitted, hold_out=False)
            if all(layer.structure == "dense" for layer in result.report.layers):
                continue
            network = result.graph
        for bits in widths:
            yield {"model": name, "block": block, "bits": bits, **row(network, x, bits)}


def flat(values: Array | dict[str, Array]) -> Array:
    """Answers, all outputs of a sample side by side."""
    arrays = values.values() if isinstance(values, dict) else (values,)
    return np.concatenate([np.asarray(a, np.float64).reshape(len(a), -1) for a in arrays], axis=1)


def row(graph: Graph, x: Samples, bits: int) -> dict[str, Any]:
    """Of one network at one width, dense or converted."""
    feed = graph.inputs[0].name
    fixed = swm.quantize(graph, bits=bits, calibration=x.fitted)
    made = swm.design(fixed, board=BOARD)
    want, got = (flat(swm.run(g, {feed: x.tested})) for g in (graph, made.graph))
    found: dict[str, Any] = {"samples": len(x.tested), "error": float(np.sqrt(np.mean((got - want) ** 2)) / want.std())}
    if x.labels is not None:
        found["same_answers"] = float(np.mean(got.argmax(1) == want.argmax(1)))
        found |= {"accuracy": accuracy(got, x.labels), "float_accuracy": accuracy(want, x.labels)}
    host = ((), ()) if fixed.host is None else fixed.host.operators
    figures = design_figures(made.schedule)
    found |= {"board": BOARD, "fits": figures.fits, "interval": made.schedule.interval, "useful": figures.useful_share}
    found |= {"slowest": slowest(figures)[0], "fullest": fullest(figures), "host": [len(host[0]), len(host[1])]}
    with tempfile.TemporaryDirectory() as scratch:
        vectors = x.tested[:SIMULATED]
        project = swm.emit(made, path=Path(scratch) / "p", vectors=vectors, most_vectors=SIMULATED, allow_overflow=True)
        seconds, gib = compiled(project)
        result = project.verify()
    assert isinstance(result, swm.Verification)
    found |= {"frames": len(vectors), "words": result.words, "differ": result.mismatches, "ok": result.ok}
    return found | {"compile_cpu_s": seconds, "peak_gib": gib, "run_s": result.run_seconds}


def google(widths: list[int]) -> Iterator[dict[str, Any]]:
    """The Google LSTM at blocks 8 and 16, one sequence alone and two in turns."""
    for block in (8, 16):
        for bits in widths:
            for sequences in (1, 2):
                yield {"model": GOOGLE, **google_lstm_verify.verified(block, bits, sequences, "adm-pcie-ku3", 200.0)}


def rows_of(name: str, shared: Path, widths: list[int], blocks: list[int]) -> list[dict[str, Any]]:
    """All rows of one network, with their date."""
    found = google(widths) if name == GOOGLE else measured(name, shared, widths, blocks)
    return [one | {"date": date.today().isoformat()} for one in found]


def keep(new: list[dict[str, Any]]) -> None:
    """Rows in the place of those of the same network, structure, width and number of sequences."""

    def key(one: dict[str, Any]) -> tuple[Any, ...]:
        return one["model"], one["block"], one["bits"], one.get("sequences", 1)

    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    rows = {key(one): one for one in (*known, *new)}
    order = {name: place for place, name in enumerate((*IMAGES, *RANDOM, *EXPORTED, GOOGLE))}
    ordered = sorted(rows.values(), key=lambda one: (order[one["model"]], *key(one)[1:]))
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Measure, keep, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SWM_SHARED") or ROOT.parent / "shared"))
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 12, 16])
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, BLOCK], help="1: dense")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time (seconds are of a CPU)")
    parser.add_argument("--page", action="store_true", help="only write the page from what is kept")
    options = parser.parse_args()
    names = [n for n in (*IMAGES, *RANDOM, *EXPORTED, GOOGLE) if any(part in n for part in options.only)]
    wrong = 0
    if not options.page:
        with ProcessPoolExecutor(options.jobs) as pool:
            given = (options.shared, options.bits, options.blocks)
            waiting = {pool.submit(rows_of, name, *given): name for name in names}
            for done in as_completed(waiting):
                try:
                    found = done.result()
                except swm.SwmError as error:
                    print(f"{waiting[done]}: {error}", file=sys.stderr, flush=True)
                    wrong += 1
                    continue
                keep(found)
                wrong += sum(not one["ok"] for one in found)
                print(waiting[done], *(json.dumps(one) for one in found), sep="\n", flush=True)
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

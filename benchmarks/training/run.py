# SPDX-License-Identifier: Apache-2.0
"""Train the recipes and measure them on test sets that took no part: three seeds, mean and spread.

    python benchmarks/training/run.py --shared FOLDER                      # all recipes, writes docs/results.md
    python benchmarks/training/run.py --recipes "bundled MLP" --seeds 0     # some

Data and models come from a folder with `data/` and `models/` (`--shared` or SWM_SHARED). Each outcome is kept in
benchmarks/results/training.json as soon as it is measured; the table in docs/results.md is made of all that stand
there. One thread by default, so that the weights depend on the seed alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy import ROOT, load_model, shaped, shared_data
from own_models import OWN_MODELS, make
from recipes import RECIPES, Recipe

import swm
from swm import bundled
from swm.compress import accuracy
from swm.compress.hold_out import split
from swm.compress.report import LayerReport
from swm.finetuning import CALIBRATION
from swm.graph import Graph
from swm.structure import structure_named

RESULTS = ROOT / "benchmarks" / "results" / "training.json"
PAGE = ROOT / "docs" / "results.md"
HEADING = "## Accuracy after training"


def samples(recipe: Recipe, loaders: Any, sample_shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Data and labels to train on, test inputs and labels."""
    if recipe.own:
        found: tuple[Any, ...] = OWN_MODELS[recipe.own].data(loaders)
        return found
    case = recipe.model
    if case.data == "kws":
        x, y = loaders.kws01()
        order = np.random.default_rng(0).permutation(len(x))  # as benchmarks/accuracy.py
        train, labels, test, truth = x[order[:500]], y[order[:500]], x[order[500:]], y[order[500:]]
    else:
        train, labels, test, truth = loaders.cifar10_jpeg() if case.data == "cifar" else loaders.mnist()
    ready = [shaped(sample_shape, case.prepare(part.astype(np.float32))) for part in (train, test)]
    return ready[0], labels.astype(np.int64), ready[1], truth.astype(np.int64)


def model_path(recipe: Recipe, loaders: Any, shared: Path, own: Path) -> Path:
    """The dense network's file; of own models it is trained if it is missing."""
    if recipe.own:
        path = own / f"{recipe.own}.onnx"
        if not path.exists():
            make(recipe.own, path, loaders)
        return path
    case = recipe.model
    return Path(bundled.model_path()) if not case.path else shared / "models" / case.path


def converted(recipe: Recipe, graph: Graph, calibration: Any, test: Any) -> tuple[Graph, list[LayerReport]]:
    """The network that training starts from, and its layers: converted once, or twice with two structures."""
    sizes = {name: recipe.options[name] for name in ("block", "budget") if name in recipe.options}
    steps = [(recipe.structure, sizes), *([] if recipe.then is None else [(recipe.then[0], {"block": recipe.then[1]})])]
    made, layers = graph, {}
    for structure, step in steps:
        found = swm.convert(
            made,
            structure=structure_named(structure),
            calibration=calibration,
            test=test,
            hold_out=False,
            progress=True,
            **step,
        )
        made = found.graph
        layers |= {layer.name: layer for layer in found.report.layers}  # the second sees what the first left dense
    return made, list(layers.values())


def size_of(recipe: Recipe, layer: LayerReport) -> int | str:
    """Size of a layer, with the name of its structure where a second one gave it."""
    second = recipe.then is not None and layer.name in recipe.then[1]
    return f"{recipe.then[0]} {layer.block}" if recipe.then is not None and second else layer.block


def measure(recipe: Recipe, seeds: list[int], loaders: Any, shared: Path, own: Path, save: Any) -> None:
    """Convert once, train with each seed, and give what was measured to `save`."""
    path = model_path(recipe, loaders, shared, own)
    declared = swm.load(path).inputs[0].type
    assert declared is not None
    assert declared.shape is not None
    data, labels, test, truth = samples(recipe, loaders, declared.shape)
    free = load_model(path, test[:20])  # any number of samples at once, where the file has a batch of its own
    graph = swm.simplify(free)
    dense = accuracy(swm.run(free, test), truth)
    held, _ = split(graph, {graph.inputs[0].name: data}, labelled=True)
    assert held is not None
    options = {name: value for name, value in recipe.options.items() if name not in ("block", "budget")}
    started = time.process_time()
    made, layers = converted(recipe, graph, data[~held][:CALIBRATION], data[held])
    converting = time.process_time() - started
    one_shot = accuracy(swm.run(made, test), truth)
    x, y = (np.concatenate([part[~held]] * recipe.repeat) for part in (data, labels))
    for seed in seeds:
        started = time.process_time()
        found = swm.finetune(
            made,
            x,
            y,
            teacher=graph,
            validation=data[held],
            validation_labels=labels[held],
            seed=seed,
            augment=recipe.augment,
            device="cpu",
            progress=True,
            **options,
        )
        fixed = None
        if "bits" in recipe.options:
            words = swm.quantize(found.graph, bits=recipe.options["bits"], calibration=data[:2000])
            fixed = accuracy(swm.run(words, test), truth)
        save(
            {
                "recipe": recipe.name,
                "seed": seed,
                "date": date.today().isoformat(),
                "dense": dense,
                "one_shot": one_shot,
                "trained": accuracy(swm.run(found.graph, test), truth),
                "fixed": fixed,
                "bits": recipe.options.get("bits"),
                "test": len(test),
                "data": len(data),
                "compression": sum(layer.bits_before for layer in layers) / sum(layer.bits_after for layer in layers),
                "structure": recipe.structure,
                "then": None if recipe.then is None else list(recipe.then),
                "options": recipe.options,
                "sizes": [size_of(recipe, layer) for layer in layers],
                "epochs": found.epochs,
                "best_epoch": found.best_epoch,
                "processor_seconds": converting + time.process_time() - started,
                "goal": recipe.goal if recipe.goal > 0 else dense + recipe.goal,
                "torch": torch.__version__,
            }
        )


def to_markdown(rows: list[dict[str, Any]]) -> str:
    """The section of docs/results.md."""
    lines = [
        HEADING,
        "",
        "By `python benchmarks/training/run.py`, which calls `swm.finetune` with the recipes beside it, on the CPU "
        "with one thread. The network itself is the teacher, beside the labels; training images are a little turned, "
        "zoomed and shifted, or mirrored. The epoch that is kept is chosen on training samples that were held out; "
        "the accuracies are those of test sets that took no part. Mean and spread (smallest to largest) of the seeds. "
        "Behind a slash: in 12-bit fixed point, by the integer engine. Compression counts stored bits, real numbers at "
        "32, of all weights; in brackets sizes in order of the layers, 1 where a layer stays dense, with the name of "
        "the structure where some layers have another one. Seconds are the processor's, of a seed, conversion "
        "included; those marked c are of a clock, on a machine that did other work at the same time. Rows marked † are "
        "of an earlier recipe.",
        "",
        "| model | tested on | dense % | one-shot % | trained % | seeds | epochs | seconds | compression | goal % |"
        " date |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for recipe in RECIPES:
        found = [row for row in rows if row["recipe"] == recipe.name]
        if not found:
            continue
        first = found[0]
        trained = _spread([row["trained"] for row in found])
        if first["fixed"] is not None:
            trained += " / " + _spread([row["fixed"] for row in found])
        between = ", " if any(isinstance(size, str) for size in first["sizes"]) else " "
        sizes = between.join(map(str, first["sizes"]))
        then = None if recipe.then is None else list(recipe.then)
        now = all(row.get("options", recipe.options) == recipe.options and row.get("then") == then for row in found)
        seconds = [row["processor_seconds"] for row in found if "processor_seconds" in row]
        took = f"{np.mean(seconds):.0f}" if seconds else f"{np.mean([row['seconds'] for row in found]):.0f} c"
        cells = (
            recipe.name,
            f"{first['test']:,}",
            f"{100 * first['dense']:.2f}",
            f"{100 * first['one_shot']:.2f}",
            trained,
            str(len(found)),
            str(first["epochs"]),
            took,
            f"{first['compression']:.2f}x ({sizes})",
            f"{100 * first['goal']:.1f}",
            first["date"] + ("" if now else " †"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"{r.name}: {r.note}." for r in RECIPES if r.note]
    missing = [r.name for r in RECIPES if not any(row["recipe"] == r.name for row in rows)]
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    if missing:
        lines += ["", f"Not measured yet: {'; '.join(missing)}."]
    return "\n".join([*lines, ""])


def _spread(values: list[float]) -> str:
    mean = 100 * float(np.mean(values))
    if len(values) == 1:
        return f"{mean:.2f}"
    return f"{mean:.2f} ({100 * min(values):.2f} to {100 * max(values):.2f})"


def write_page(rows: list[dict[str, Any]]) -> None:
    """Put the section behind the table of one-shot conversions."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n{HEADING}")[0].rstrip("\n")
    PAGE.write_text(f"{text}\n\n{to_markdown(rows)}", encoding="utf-8")


def main() -> None:
    """Train, measure, keep and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SWM_SHARED") or ROOT.parent / "shared"))
    parser.add_argument("--own", type=Path, default=ROOT / "build" / "own-models", help="see own_models.py")
    parser.add_argument("--recipes", help="parts of names, separated by semicolons; default all")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", action="store_true", help="only write docs/results.md from what is kept")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else []

    def save(row: dict[str, Any]) -> None:
        rows[:] = [old for old in rows if (old["recipe"], old["seed"]) != (row["recipe"], row["seed"])]
        rows.append(row)
        options.results.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(row), flush=True)

    if not options.page:
        loaders = shared_data(options.shared)
        parts = options.recipes.split(";") if options.recipes else [""]
        seeds = [int(seed) for seed in options.seeds.split(",")]
        for recipe in RECIPES:
            if any(part in recipe.name for part in parts):
                measure(recipe, seeds, loaders, options.shared, options.own, save)
    write_page(rows)


if __name__ == "__main__":
    main()

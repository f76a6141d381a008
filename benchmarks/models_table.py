# SPDX-License-Identifier: Apache-2.0
"""The table of models: what swm makes of every file of a folder, and whether it computes what onnxruntime does.

    python benchmarks/models_table.py MODELS                       # prints the table of a folder of ONNX files
    python benchmarks/models_table.py MODELS -o docs/models.md     # writes the documentation's page
    python benchmarks/models_table.py MODELS --hardware            # prints what becomes hardware, no more

A model that onnxruntime runs must give the same numbers through `swm.run`, and in onnxruntime after load and save
(rtol 1e-3, atol 1e-4 on random inputs). One that it does not run (QONNX operators, say) either runs here or ends in
one clear error. What a conversion gives must run in onnxruntime to the numbers of swm's own engine (1e-4 relative).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import helper

import swm
from swm.graph import Graph, Opaque, Quant

sys.path.append(str(Path(__file__).parent))  # where this module is imported from elsewhere
from model_frames import FRAMES

__all__ = [
    "Hardware",
    "Row",
    "feeds_for",
    "feeds_for_graph",
    "hardware",
    "hardware_table",
    "main",
    "measure",
    "page",
    "table",
]

RTOL, ATOL = 1e-3, 1e-4
CONVERTED = 1e-4  # of the largest output: onnxruntime's run of a converted file against swm's own engine
BLOCKS = (8, 4, 2)  # the first at which a layer is large enough is taken
SHOWN = 120  # characters of a message in the table; the list below it has all
KINDS = 4  # operators named of those that the host computes or that are in the way
HARDWARE_HEADING = "## What becomes hardware"
HARDWARE_TEXT = (
    "By `swm check` on the simplified model. *All*: `swm emit` takes it whole. *With host parts*: it takes it, and the "
    "host computes what the table names before and after the hardware; at least 95 % of the multiplications (weights "
    "written out dense, counted) are in hardware. *None*: what the table names is in the way; `swm split` still writes "
    "the largest part that can be hardware, and what lies around it, as files. Where the last column names a command, "
    "the model is checked as that writes it: `swm frame` fixes open lengths, puts samples first, keeps states that a "
    "caller feeds back on chip, and leaves outputs away; by itself, `swm check` says *none* of it."
)
TIMED = 3  # fresh processes a model; the quickest counts
# Outputs of a model with activations of few bits that may differ: its values lie on ties of its own rounding, and the
# last bit of a float decides to which side each goes.
TIPPED = 0.05
# Sizes and numbers that a model takes but its file does not say, by part of the file's name.
SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {"silero_vad": {"input": (1, 512)}}
NUMBERS: Mapping[str, Mapping[str, int]] = {"silero_vad": {"sr": 16000}}
# Why a model is refused, in words, read by hand from the model; printed only beside a refusal that was measured.
REMARKS: Mapping[str, str] = {
    "burn_opset_07": "The file says opset 7, but its BatchNormalization carries `consumed_inputs`, an attribute that "
    "ended with opset 5. The file contradicts the ONNX standard, and onnxruntime refuses it too.",
    "burn_opset_13": "The file is read, but its Mod node works on floats without `fmod=1`, which the standard "
    "forbids; onnxruntime refuses to run the original in the same words.",
    "burn_opset_18": "The file is read, but its GroupNormalization has a scale for each of 4 channels, as opset 21 "
    "wants it, where opset 18, which the file declares, wants one for each of 2 groups; onnxruntime refuses to run the "
    "original in the same words.",
}
_KINDS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True)
class Hardware:
    """How much of a model becomes hardware.

    Attributes:
        verdict: "all", "with host parts", "none", or "refused" where the file cannot be read.
        share: fraction of the multiplications in the largest part that can be hardware.
        what: what the host computes, or what is in the way.
    """

    verdict: str
    share: float
    what: str


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        model: path below the folder.
        typed: nodes that swm knows.
        opaque: nodes that it carries along.
        structured: weights that a conversion makes block-circulant at `block`.
        weights: all weights that conversion looks at.
        block: 8, or the largest size below it at which any layer has two blocks; 0 if none has.
        load_seconds: to load and check it.
        result: of `swm.run`: "same numbers", "runs here only", "differs: ..." or "refused: ...".
        saved: of onnxruntime on the file after load and save, in the same words; "" where nothing was saved.
        converted: of onnxruntime on the converted file against swm's engine; "" where nothing was converted.
        hardware: what `swm check` says of it.
    """

    model: str
    typed: int
    opaque: int
    structured: int
    weights: int
    block: int
    load_seconds: float
    result: str
    saved: str = ""
    converted: str = ""
    hardware: Hardware | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing about it is wrong; a clear refusal is not."""
        return not any(text.startswith("differs") for text in (self.result, self.saved, self.converted))


def measure(path: Path, name: str = "") -> Row:
    """Load a model, run it on both roads, compare with onnxruntime on the original file; then convert it."""
    name = name or path.name
    start = time.perf_counter()
    try:
        graph = swm.load(path)
        swm.check(graph)
    except swm.SwmError as error:
        return Row(name, 0, 0, 0, 0, 0, time.perf_counter() - start, f"refused: {_first(error, path)}")
    seconds = time.perf_counter() - start
    opaque = sum(isinstance(n, Opaque) for n in graph.nodes)
    result, saved = _compare(path, graph)
    converted, structured, weights, block = _convert(graph, path, run=not result.startswith("refused"))
    counts = (len(graph.nodes) - opaque, opaque, structured, weights, block)
    return Row(name, *counts, seconds, result, saved, converted)


def _compare(path: Path, graph: Graph) -> tuple[str, str]:
    """What `swm.run` gives, and what onnxruntime gives after load and save."""
    names = [v.name for v in graph.outputs]
    wanted, why = None, ""
    try:
        original = _session(path)
        wanted = original.run(names, feeds_for(original, path.name))
    except Exception as error:  # onnxruntime does not know its operators, or refuses the inputs
        why = _first(error, path)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved.onnx"
        try:
            swm.save(graph, saved)
            ours = swm.run(graph, feeds_for_graph(graph, path.name))
            session = _session(saved)
            after = session.run(names, feeds_for(session, path.name))
        except swm.SwmError as error:
            return f"{'differs' if wanted is not None else 'refused'}: {_first(error, path)}", ""
        except Exception as error:  # it belongs into the table, whatever it is
            return f"differs: {type(error).__name__}: {_first(error, path)}", ""
    listed = [ours[n] for n in names]
    if wanted is None:
        return f"runs here only (onnxruntime on the original: {why})", _verdict(listed, after) or "same as swm.run"
    return tuple(_verdict(wanted, got) or "same numbers" for got in (listed, after))  # type: ignore[return-value]


def _convert(graph: Graph, path: Path, *, run: bool) -> tuple[str, int, int, int]:
    """Project the weights: the verdict on the written file, structured weights, all weights, block size."""
    weights = 0
    for block in BLOCKS:
        try:
            result = swm.convert(graph, block=block)
        except swm.SwmError as error:
            return f"refused: {_first(error, path)}", 0, 0, 0
        layers = result.report.layers
        structured, weights = sum(r.structure != "dense" for r in layers), len(layers)
        if structured:
            return (_written(result.graph, path) if run else ""), structured, weights, block
    return "", 0, weights, 0


def _written(graph: Graph, path: Path) -> str:
    """Whether plain onnxruntime runs the file of a converted graph to the numbers of swm's engine."""
    names = [v.name for v in graph.outputs]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "converted.onnx"
        try:
            swm.save(graph, file)
            ours = swm.run(graph, feeds_for_graph(graph, path.name))
            session = _session(file)
            plain = session.run(names, feeds_for(session, path.name))
        except Exception as error:  # it belongs into the table, whatever it is
            return f"differs: {type(error).__name__}: {_first(error, path)}"
    worst, share = 0.0, 0.0
    for name, got in zip(names, plain, strict=True):
        if np.shape(ours[name]) != np.shape(got):
            return "differs: other shape"
        apart = np.abs(np.asarray(ours[name], float) - np.asarray(got, float))
        apart /= max(np.abs(np.asarray(got, float)).max(initial=0), 1e-30)
        worst, share = max(worst, float(apart.max(initial=0))), max(share, float((apart > CONVERTED).mean()))
    if worst <= CONVERTED:
        return "same numbers"
    if any(isinstance(n, Quant) for n in graph.nodes) and share <= TIPPED:
        return f"same numbers but for {100 * share:.1f} % of the outputs, where the rounding of a quantizer tips over"
    return f"differs: {worst:.1e} of the largest output"


def _verdict(wanted: Sequence[Any], got: Sequence[Any]) -> str:
    """Empty if the results are equal, else the greatest difference."""
    for a, b in zip(wanted, got, strict=True):
        if np.shape(a) != np.shape(b) or not np.allclose(a, b, rtol=RTOL, atol=ATOL, equal_nan=True):
            apart = np.max(np.abs(np.asarray(a, float) - b)) if np.shape(a) == np.shape(b) else "other shape"
            return f"differs: {apart}"
    return ""


def feeds_for(session: ort.InferenceSession, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Inputs for a session; `name` is that of the file."""
    return _feeds(((v.name, v.shape, np.dtype(_KINDS[v.type])) for v in session.get_inputs()), name)


def feeds_for_graph(graph: Graph, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The same inputs, for models that onnxruntime does not open."""
    inputs = [(v.name, v.type.shape or (), v.type.elem) for v in graph.inputs if v.type is not None]
    return _feeds(((n, shape, helper.tensor_dtype_to_np_dtype(elem)) for n, shape, elem in inputs), name)


def _feeds(inputs: Iterable[tuple[str, Sequence[Any], np.dtype[Any]]], name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Random floats, and integers of one: legal as index, length and switch alike."""
    rng = np.random.default_rng(0)
    shapes = next((v for k, v in SHAPES.items() if k in name), {})
    numbers = next((v for k, v in NUMBERS.items() if k in name), {})
    feeds = {}
    for tensor, declared, kind in inputs:
        shape = shapes.get(tensor) or [d if isinstance(d, int) and d > 0 else 1 for d in declared]
        drawn = rng.standard_normal(shape) if kind.kind == "f" else np.full(shape, numbers.get(tensor, 1))
        feeds[tensor] = np.asarray(drawn).astype(kind)
    return feeds


def table(rows: Sequence[Row]) -> str:
    """Totals, then the rows as Markdown."""
    counts = {kind: sum(r.result.startswith(kind) for r in rows) for kind in ("same", "runs", "refused", "differs")}
    typed, opaque = sum(r.typed for r in rows), sum(r.opaque for r in rows)
    saved = [r.saved for r in rows if r.saved]
    converted = [r.converted for r in rows if r.converted]
    lines = [
        f"{len(rows)} models: {counts['same']} give the same numbers as onnxruntime, {counts['runs']} run here only, "
        f"{counts['refused']} are refused, {counts['differs']} differ.",
        f"After load and save, onnxruntime gives the same numbers for {sum(s.startswith('same') for s in saved)} of "
        f"{len(saved)}; of the {len(converted)} models that have layers large enough to convert and that run, "
        f"{sum(s.startswith('same') for s in converted)} give the same numbers in plain onnxruntime as in swm's "
        "engine after conversion.",
        f"{typed} typed and {opaque} opaque nodes; {sum(r.structured for r in rows)} of "
        f"{sum(r.weights for r in rows)} weights become block-circulant; slowest load and check "
        f"{max((r.load_seconds for r in rows), default=0):.2f} s.",
        "",
        "| model | typed nodes | opaque nodes | structured weights | load and check (s) | result | after load and save "
        "| converted |",
        "|---|---:|---:|---:|---:|---|---|---|",
    ]
    for r in rows:
        sizes = f"{r.structured} of {r.weights} at block {r.block}" if r.block else f"0 of {r.weights}"
        cells = (r.model, r.typed, r.opaque, sizes, f"{r.load_seconds:.2f}", r.result, r.saved, r.converted)
        lines.append("| " + " | ".join(_cell(_short(str(c))) for c in cells) + " |")
    return "\n".join(lines)


def hardware(path: Path, name: str = "") -> Hardware:
    """What `swm check` says of a model: of the simplified one, as convert and emit take it; or once it is framed."""
    framed = ""
    try:
        graph = swm.load(path, simplify=True)
        found = swm.check(graph)
        if found.hardware == "none" and name in FRAMES:
            graph, framed = FRAMES[name].of(graph), f"`swm frame {FRAMES[name].options}`"
            found = swm.check(graph)
    except swm.SwmError as error:
        return Hardware("refused", 0.0, _first(error, path))
    if found.hardware == "none":
        kinds = Counter(node.op for node in found.nodes if not node.hardware)
        return Hardware("none", found.share, _counted(kinds) or found.graph_findings[0].reason)
    sides = (
        (side, Counter(n.op for n in found.nodes if n.place == side and not n.hardware)) for side in ("before", "after")
    )
    parts = [framed] if framed else []
    what = "; ".join([*parts, *(f"{side}: {_counted(ops)}" for side, ops in sides if ops)])
    return Hardware(found.hardware, found.share, what)


def _counted(kinds: Counter[str]) -> str:
    named = [f"{count} {op}" if count > 1 else op for op, count in kinds.most_common(KINDS)]
    return ", ".join([*named, *(["..."] if len(kinds) > KINDS else [])])


def hardware_table(rows: Sequence[Row]) -> str:
    """Totals, then what becomes hardware of each model, as Markdown."""
    known = [(row.model, row.hardware) for row in rows if row.hardware is not None]
    counts = Counter(found.verdict for _, found in known)
    lines = [
        f"{len(known)} models: {counts['all']} become hardware as a whole, {counts['with host parts']} with host "
        f"parts, {counts['none']} do not yet, {counts['refused']} cannot be read.",
        "",
        "| model | hardware | multiplications in the largest part | on the host, or in the way |",
        "|---|---|---:|---|",
    ]
    for model, found in known:
        share = f"{100 * found.share:.1f} %" if found.verdict != "refused" else ""
        lines.append("| " + " | ".join(_cell(_short(c)) for c in (model, found.verdict, share, found.what)) + " |")
    return "\n".join(lines)


def page(rows: Sequence[Row], machine: str) -> str:
    """The documentation's page."""
    others = (f"{name} {version(name)}" for name in ("onnx", "onnxruntime", "numpy"))
    versions = ", ".join([f"swm {swm.__version__}", *others])
    lines = [
        "# Real models",
        "",
        f"Written on {date.today().isoformat()} by `python benchmarks/models_table.py MODELS -o docs/models.md` on "
        f"models from public repositories, with Python {platform.python_version()}, {versions}, {machine}.",
        "",
        table(rows),
        "",
        "How to read it:",
        "",
        "- *Typed* nodes are those that swm understands; *opaque* ones are carried along and run by onnxruntime.",
        "- *Structured weights*: matrices and kernels that `swm convert` makes block-circulant at block 8 or, where no "
        "layer has two blocks of 8, at the largest smaller size. W and R of a recurrent layer count one each.",
        f"- *Load and check*: `swm.load` and `swm.check`, the first in a fresh process after its imports, the quickest "
        f"of {TIMED} such processes, files in the page cache.",
        f"- *Result*: `swm.run` against onnxruntime on the original file, random inputs, rtol {RTOL:g}, atol {ATOL:g}. "
        "*After load and save*: onnxruntime on the file that swm writes, against the original.",
        f"- *Converted*: onnxruntime on the converted file against swm's own engine, within {CONVERTED:g} of the "
        "largest output. It says nothing about accuracy; see results.md for that.",
    ]
    if any(row.hardware for row in rows):
        lines += ["", HARDWARE_HEADING, "", HARDWARE_TEXT, "", hardware_table(rows)]
    unusual = [r for r in rows if not r.result.startswith("same")]
    if unusual:
        lines += ["", "## Whatever does not give onnxruntime's numbers, with the whole message", ""]
    for row in unusual:
        lines.append(f"- `{row.model}`: {_cell(row.result)}")
        if row.result.startswith("refused"):
            lines += [f"  **In words:** {text}" for key, text in REMARKS.items() if key in row.model]
    return "\n".join(lines) + "\n"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()} ..."


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("<", "&lt;").replace("\n", " ")


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _first(error: Exception, path: Path) -> str:
    """The first line of a message, without the folder of this machine."""
    return str(error).splitlines()[0].replace(f"{path.parent}/", "")


def _fresh_seconds(path: Path) -> float:
    """Seconds to load and check in a process of its own, the quickest of a few."""
    command = [sys.executable, str(Path(__file__).resolve()), "--time", str(path)]
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    runs = (subprocess.run(command, capture_output=True, text=True, check=True, env=environment) for _ in range(TIMED))
    return min(float(json.loads(done.stdout)) for done in runs)


def _load_seconds(path: Path) -> float:
    start = time.perf_counter()
    with contextlib.suppress(swm.SwmError):  # a refusal takes its time too
        swm.check(swm.load(path))
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of every .onnx file below a folder, or write the page; 1 if any model differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path, help="write the documentation's page")
    parser.add_argument("--hardware", action="store_true", help="only print the table of what becomes hardware")
    parser.add_argument("--time", type=Path, metavar="MODEL", help="only print the seconds to load and check one file")
    options = parser.parse_args(arguments)
    if options.time:
        print(json.dumps(_load_seconds(options.time)))
        return 0
    if options.folder is None:
        parser.error("name a folder of ONNX files")
    rows = []
    for path in sorted(options.folder.rglob("*.onnx")):
        name = path.relative_to(options.folder).as_posix()
        if options.hardware:
            rows.append(Row(name, 0, 0, 0, 0, 0, 0.0, "", hardware=hardware(path, name)))
            continue
        row = measure(path, name)
        rows.append(replace(row, load_seconds=_fresh_seconds(path), hardware=hardware(path, name)))
    if options.hardware:
        sys.stdout.write(hardware_table(rows) + "\n")
        return 0
    if options.output:
        options.output.write_text(page(rows, _machine()), encoding="utf-8")
    else:
        sys.stdout.write(table(rows) + "\n")
    return int(not all(r.ok for r in rows))


def _machine() -> str:
    from swm.kernels import cpu_name

    return f"{cpu_name()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""A network as files: what the host computes before, the part that can be hardware, what the host computes after."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from swm import onnx_io
from swm.compress import prepared
from swm.emit.folder import MANIFEST, check_output, hashes, whole_folder
from swm.errors import UnsupportedModel
from swm.graph import Graph
from swm.host import Split, before_split
from swm.host import split as _split
from swm.validation import Inputs, feeds, require_graph

__all__ = ["save_split", "split", "split_to_json"]


def split(graph: Graph) -> Split:
    """Cut a network around the largest part that can be hardware: one tensor in, one tensor out.

    The parts, run one after the other, compute what the network computes. Scales are folded into the matrices beside
    them first, as `quantize` does. Nothing runs.

    Raises:
        OptionError: what was given is not a graph.
    """
    return _split(prepared(require_graph(graph)))


def save_split(made: Split, path: str | Path, *, inputs: Inputs | None = None, force: bool = False) -> Path:
    """Write `before.onnx`, `hardware.onnx` and `after.onnx`, those that there are, into a new folder.

    Args:
        made: from `split`.
        path: the folder, new or empty.
        inputs: of the network; what `hardware.onnx` reads for them is written to `hardware_inputs.npy`.
        force: replace a folder that swm wrote before; one with edited or added files is kept as `<path>.bak-N`.

    Returns:
        The path.

    Raises:
        UnsupportedModel: no part with weights can be hardware.
        CalibrationError: inputs that do not fit.
        OutputError: the folder is not empty or cannot be written.
    """
    folder = Path(path)
    check_output(folder, force=force)
    if made.hardware is None:
        count = Counter(f.op for f in made.findings if f.op != "graph")
        kinds = ", ".join(f"{many} {op}" for op, many in count.most_common(4)) or "its inputs and outputs"
        raise UnsupportedModel(
            f"no layer with weights of {made.graph.source or made.graph.name!r} can be hardware; in the way are "
            f"{kinds}; `swm check` names every node, its reason and the remedy",
            (),
        )
    read = None if inputs is None else before_split(made, feeds(made.graph, inputs))[made.hardware.inputs[0].name]
    with whole_folder(folder, force=force) as staging:
        if read is not None:
            np.save(staging / "hardware_inputs.npy", read)
        for name, part in _parts(made).items():
            onnx_io.save(part, staging / f"{name}.onnx")
        # Marks the folder as ours, so that `force` may replace it.
        record = {"split": split_to_json(made), "sha256": hashes(staging)}
        (staging / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder


def split_to_json(made: Split) -> dict[str, Any]:
    """Plain types for JSON."""
    return {
        "hardware": made.verdict,
        "reason": made.reason,
        "cut": made.cut,
        "multiplications": {"hardware": made.multiplications, "all": made.total, "share": made.share},
        "outside": made.outside,
        "parts": {
            name: {
                "file": f"{name}.onnx",
                "inputs": [v.name for v in part.inputs],
                "outputs": [v.name for v in part.outputs],
                "nodes": [{"name": n.name, "op": n.op_name} for n in part.nodes],
            }
            for name, part in _parts(made).items()
        },
    }


def _parts(made: Split) -> dict[str, Graph]:
    parts = {"before": made.before, "hardware": made.hardware, "after": made.after}
    return {name: part for name, part in parts.items() if part is not None}

# SPDX-License-Identifier: Apache-2.0
"""A fixed-point network as one .npz file: what `swm verify` runs the integer engine on."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import OutputError
from swm.fixed._graph import FixedGraph, FixedLayer, Format
from swm.fixed.spec import LayerSpec

__all__ = ["load_fixed", "save_fixed"]

STORE_VERSION = 1


def save_fixed(graph: FixedGraph, path: Path) -> None:
    """Write layers, formats and integers; the same graph always gives the same bytes."""
    layers = []
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(graph.layers):
        layers.append(
            {
                "spec": asdict(layer.spec),
                "node": layer.node,
                "input": asdict(layer.input),
                "weight_frac": layer.weight_frac,
                "acc_shift": layer.acc_shift,
                "output": asdict(layer.output),
            }
        )
        arrays[f"weights{index}"] = layer.weights.astype(np.int32)
        arrays[f"bias{index}"] = layer.bias
    meta = {
        "version": STORE_VERSION,
        "name": graph.name,
        "bits": graph.bits,
        "host": graph.host,
        "input_name": graph.input_name,
        "output_name": graph.output_name,
        "layers": layers,
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy types **kwds as its own options


def load_fixed(path: Path) -> FixedGraph:
    """Read what `save_fixed` wrote; the result has no float source.

    Raises:
        OutputError: the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
            layers = tuple(
                FixedLayer(
                    spec=LayerSpec(**entry["spec"]),
                    node=entry["node"],
                    weights=stored[f"weights{index}"].astype(np.int64),
                    bias=stored[f"bias{index}"],
                    input=Format(**entry["input"]),
                    weight_frac=entry["weight_frac"],
                    acc_shift=entry["acc_shift"],
                    output=Format(**entry["output"]),
                )
                for index, entry in enumerate(meta["layers"])
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise OutputError(f"{str(path)!r} is damaged or missing; emit the project again") from error
    return FixedGraph(
        meta["name"], layers, tuple(meta["host"]), None, meta["bits"], meta["input_name"], meta["output_name"], {}
    )

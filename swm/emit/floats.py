# SPDX-License-Identifier: Apache-2.0
"""What the float network has where hardware layers write, for the first vectors of a project (`verify/floats.npz`).

A project that was read back has no float network. With these `swm verify --trace` says how far each layer is off.
"""

from __future__ import annotations

import zipfile
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.frames import to_frames
from swm.accelerator.lower import lower
from swm.accelerator.turns import tokens_in_turns
from swm.emit.samples import as_declared
from swm.engine import FloatEngine
from swm.errors import OutputError

__all__ = ["FLOATS", "float_layers", "load_floats", "save_floats"]

FLOATS = "floats.npz"
MOST_VALUES = 1 << 20  # 4 MB before they are compressed

Floats = tuple[NDArray[np.float32], ...]


def float_layers(graph: FixedGraph, inputs: NDArray[np.float32]) -> Floats:
    """The float network's values at the output of every layer, frame after frame, as they pass there.

    Args:
        graph: the network.
        inputs: (samples, n) that the hardware reads; the first are run that make a million values, at least one frame.

    Returns:
        One array a layer, (frames, values of a frame); none where the float network is not known.
    """
    hardware = graph.hardware
    if hardware is None:
        return ()
    value, lowered = hardware.inputs[0], lower(hardware)
    shape: tuple[Any, ...] = () if value.type is None or value.type.shape is None else value.type.shape
    batch = shape[0] if shape and isinstance(shape[0], int) else 1
    sizes = (layer.spec.output.channels * layer.spec.output.positions for layer in graph.layers)
    unit = lcm(batch, graph.sequences)
    count = max(min(len(inputs), MOST_VALUES * graph.sequences // sum(sizes)) // unit, 1) * unit
    x = as_declared(inputs[:count], value)
    found = FloatEngine(hardware, list(lowered.tensors), deterministic=True).run({value.name: x})
    flowing = lowered.flowing(found)
    tokens = tokens_in_turns(graph)
    return tuple(
        to_frames(flowing[la.output].reshape(len(x), -1).astype(np.float32), graph.sequences, tokens.get(la.output, ()))
        for la in graph.layers
    )


def save_floats(values: Floats, folder: Path) -> None:
    """Write `verify/floats.npz`; nothing where there are none."""
    if values:
        arrays: dict[str, Any] = {f"layer{i}": array for i, array in enumerate(values)}
        np.savez_compressed(folder / FLOATS, **arrays)


def load_floats(graph: FixedGraph, folder: Path) -> Floats:
    """Read what `save_floats` wrote; none where the project has no such file.

    Raises:
        OutputError: the file is damaged, or of another network.
    """
    file = folder / FLOATS
    if not file.is_file():
        return ()
    try:
        with np.load(file, allow_pickle=False) as stored:
            values = tuple(stored[f"layer{i}"] for i in range(len(graph.layers)))
        shapes = [layer.spec.output for layer in graph.layers]
        sizes = [(len(values[0]), shape.channels * shape.positions) for shape in shapes]
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise OutputError(f"{str(file)!r} is damaged; emit the project again") from error
    if [array.shape for array in values] != sizes or any(array.dtype != np.float32 for array in values):
        raise OutputError(f"{str(file)!r} is of another network; emit the project again")
    return values

# SPDX-License-Identifier: Apache-2.0
"""Inputs that are the same for all samples, as constants: lengths of sequences, states of zeros, masks, positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.graph.graph import Graph, Value, reads
from swm.graph.whole_lengths import without_whole_lengths
from swm.graph.zero_states import without_zero_states

__all__ = ["with_fixed_inputs"]


def with_fixed_inputs(graph: Graph, values: Mapping[str, float | NDArray[Any]]) -> Graph:
    """The same network without some inputs, each of which is one number everywhere, or the same for every sample.

    Lengths of whole sequences and initial states of zeros go, whatever the batch; else the shape has to be known but
    for an open first axis, that of samples: one of them stands for all, as it does where operators broadcast (a mask
    of attention). Whether they do, the caller tries.

    Args:
        graph: any graph.
        values: by input, a number; or the values of a sample (positions of tokens, a mask), with an axis of one sample
            before them or without.

    Raises:
        OptionError: names that the model does not have, all of those it has, an open axis, or values that do not fit.
    """
    known = {v.name: v for v in graph.inputs}
    unknown = sorted(set(values) - set(known))
    if unknown or set(values) == set(known):
        what = f"the model has no input {unknown[0]!r}" if unknown else "a model needs an input that is not fixed"
        raise OptionError(f"{what}; it has {sorted(known)}")
    numbers = {name: float(value) for name, value in values.items() if not np.ndim(value)}
    made = without_zero_states(graph, {name for name, number in numbers.items() if number == 0})
    made = without_whole_lengths(made, numbers)
    ends = [v.name for v in made.outputs]
    nodes, constants = tuple(made.needed(ends)), dict(made.constants)
    read = {*ends, *(t for n in nodes for t in reads(n))}
    for name in sorted(read.intersection(values)):
        constants[name] = _constant(known[name], values[name])
    inputs = tuple(v for v in made.inputs if v.name not in values)
    return replace(made, inputs=inputs, nodes=nodes, constants=constants)


def _constant(value: Value, given: float | NDArray[Any]) -> NDArray[Any]:
    """The values of an input, those of one sample where its first axis is open."""
    from onnx import helper  # here, as `swm boards` should not wait for it

    axes = () if value.type is None or value.type.shape is None else value.type.shape
    shape = tuple(d for d in (*(d if isinstance(d, int) else 1 for d in axes[:1]), *axes[1:]) if isinstance(d, int))
    if value.type is None or value.type.shape is None or len(shape) != len(axes):
        what = "an array" if np.ndim(given) else f"{given:g} everywhere"
        raise OptionError(
            f"input {value.name!r}, {what}, has open axes behind the first; fix them (`swm frame --size`), or export"
            " the model with static shapes but for the batch"
        )
    array = np.asarray(given)
    made = array.astype(helper.tensor_dtype_to_np_dtype(value.type.elem))
    if array.ndim and array.shape not in (shape, shape[1:]):
        raise OptionError(f"input {value.name!r} of shape {shape} does not take values of shape {array.shape}")
    if not np.array_equal(made, array):
        raise OptionError(f"input {value.name!r} holds {made.dtype}, which not all the values for it are")
    return np.broadcast_to(made, shape).copy()

# SPDX-License-Identifier: Apache-2.0
"""Inputs that hold one number everywhere, as constants: lengths of sequences, states that begin with zeros."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from swm.errors import OptionError
from swm.graph.graph import Graph, reads
from swm.graph.whole_lengths import without_whole_lengths
from swm.graph.zero_states import without_zero_states

__all__ = ["with_fixed_inputs"]


def with_fixed_inputs(graph: Graph, numbers: Mapping[str, float]) -> Graph:
    """The same network without some inputs, each of which is one number everywhere.

    Lengths of whole sequences and initial states of zeros go, whatever the batch; else the shape has to be known but
    for an open first axis, that of samples: one of them stands for all, as it does where operators broadcast (a mask
    of attention). Whether they do, the caller tries.

    Raises:
        OptionError: names that the model does not have, all of those it has, or an open axis.
    """
    from onnx import helper  # here, as `swm boards` should not wait for it

    known = {v.name: v for v in graph.inputs}
    unknown = sorted(set(numbers) - set(known))
    if unknown or set(numbers) == set(known):
        what = f"the model has no input {unknown[0]!r}" if unknown else "a model needs an input that is not fixed"
        raise OptionError(f"{what}; it has {sorted(known)}")
    made = without_zero_states(graph, {name for name, number in numbers.items() if number == 0})
    made = without_whole_lengths(made, numbers)
    ends = [v.name for v in made.outputs]
    nodes, constants = tuple(made.needed(ends)), dict(made.constants)
    read = {*ends, *(t for n in nodes for t in reads(n))}
    for name in sorted(read.intersection(numbers)):
        kind = known[name].type
        known_axes = () if kind is None or kind.shape is None else kind.shape
        first = tuple(1 if not isinstance(d, int) else d for d in known_axes[:1])
        shape = (*first, *(d for d in known_axes[1:] if isinstance(d, int)))
        if kind is None or kind.shape is None or len(shape) != len(kind.shape):
            raise OptionError(
                f"input {name!r}, {numbers[name]:g} everywhere, has open axes behind the first; fix them"
                " (`swm frame --size`), or export the model with static shapes but for the batch"
            )
        constants[name] = np.full(shape, numbers[name], helper.tensor_dtype_to_np_dtype(kind.elem))
    inputs = tuple(v for v in made.inputs if v.name not in numbers)
    return replace(made, inputs=inputs, nodes=nodes, constants=constants)

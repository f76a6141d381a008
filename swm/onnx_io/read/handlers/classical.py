# SPDX-License-Identifier: Apache-2.0
"""Handlers of domain ai.onnx.ml: what scikit-learn's pipelines put before a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swm.graph import Affine
from swm.onnx_io.proto import ML_DOMAIN
from swm.onnx_io.read.arguments import keep_width
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []


@handler("Scaler", since=0, becomes="Affine", domain=ML_DOMAIN)
def scaler(
    context: Context, node: RawNode, *, offset: Sequence[float] | None = None, scale: Sequence[float] | None = None
) -> Result:
    """`(x - offset) * scale` of floats by the last axis, one number each or one for all; as scikit-learn's scalers."""
    kind = context.types.get(node.inputs[0])
    shift, factor = (np.asarray(values or (), np.float32) for values in (offset, scale))
    if kind is None or not context.may_be_float(node.inputs[0]) or kind.shape is None or len(kind.shape) > 2:
        return None
    if not all(values.size in (1, context.width(node.inputs[0])) for values in (shift, factor)):
        return None  # onnxruntime says what it does not like
    if not (np.isfinite(shift).all() and np.isfinite(factor).all()):
        raise node.error("its offsets or scales are NaN or infinite; repair the model")
    keep_width(context, node)
    between = f"{node.name}/centred"
    # Two steps, as the operator computes it: one would lose digits where offsets are large.
    centred = Affine(
        name=context.names.unique(between),
        inputs=node.inputs,
        outputs=(context.tensors.unique(between),),
        scale=np.ones_like(shift),
        shift=-shift,
    )
    scaled = Affine(
        name=node.name, inputs=centred.outputs, outputs=node.outputs, scale=factor, shift=np.zeros_like(factor)
    )
    return centred, scaled

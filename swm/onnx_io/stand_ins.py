# SPDX-License-Identifier: Apache-2.0
"""What shape inference is given in the place of operators that it has no rules for: others of the same types."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto, TensorProto, helper

from swm.onnx_io.proto import MICROSOFT, ML_DOMAIN, QONNX_DOMAINS, QONNX_OPERATORS

__all__ = ["stand_ins"]

_SCALING = frozenset({"Imputer", "Normalizer", "Scaler"})
_AS_FIRST = frozenset(
    (
        *("BiasGelu", "FastGelu", "Gelu", "QuickGelu", "RotaryEmbedding"),
        *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"),
    )
)
"""onnxruntime's operators that write what has the type of their first input; so has a fourth output, a sum."""
_SUM = 3


def stand_ins(node: NodeProto, sizes: Mapping[str, tuple[int, ...]]) -> list[NodeProto] | None:
    """Nodes whose first outputs have the same types; None where inference knows the operator, or learns nothing of it.

    Args:
        node: of a graph.
        sizes: of its initialisers.
    """
    inputs, outputs = list(node.input), list(node.output)
    if not inputs or not outputs or not inputs[0]:
        return None
    if node.op_type in QONNX_OPERATORS and node.domain in QONNX_DOMAINS:
        return [helper.make_node("Identity", inputs[:1], outputs)]
    if node.op_type in _SCALING and node.domain == ML_DOMAIN:  # which give floats
        return [helper.make_node("Cast", inputs[:1], outputs[:1], to=TensorProto.FLOAT)]
    if node.op_type == "SimplifiedLayerNormalization" and not node.domain:
        return [helper.make_node("Identity", inputs[:1], outputs[:1])]
    return _of_onnxruntime(node, inputs, outputs, sizes) if node.domain == MICROSOFT else None


def _of_onnxruntime(
    node: NodeProto, inputs: list[str], outputs: list[str], sizes: Mapping[str, tuple[int, ...]]
) -> list[NodeProto] | None:
    attributes = {a.name: a.i for a in node.attribute}
    if node.op_type in _AS_FIRST:
        written = [outputs[0], *(t for t in outputs[_SUM : _SUM + 1] if t)]
        return [helper.make_node("Identity", inputs[:1], [t]) for t in written]
    if node.op_type in ("FusedConv", "FusedGemm"):
        plain = helper.make_node(node.op_type.removeprefix("Fused"), inputs[:3], outputs)
        plain.attribute.extend(a for a in node.attribute if not a.name.startswith("activation"))
        return [plain]
    if node.op_type == "Attention" and len(inputs) > 1:
        weights = sizes.get(inputs[1], ())
        square = len(weights) == 2 and weights[1] == 3 * weights[0] and "qkv_hidden_sizes" not in attributes
        return [helper.make_node("Identity", inputs[:1], outputs[:1])] if square else None
    if node.op_type in ("MultiHeadAttention", "GroupQueryAttention") and all(inputs[:3]) and len(inputs) > 2:
        if node.op_type == "GroupQueryAttention":  # where heads of keys and values are fewer
            return [helper.make_node("Identity", inputs[:1], outputs[:1])]
        turned, scores = (f"{outputs[0]}/{role}" for role in ("turned", "scores"))
        return [  # of three axes each, else nothing follows
            helper.make_node("Transpose", inputs[1:2], [turned], perm=(0, 2, 1)),
            helper.make_node("MatMul", [inputs[0], turned], [scores]),
            helper.make_node("MatMul", [scores, inputs[2]], outputs[:1]),
        ]
    if node.op_type == "EmbedLayerNormalization" and len(inputs) > 2:
        return [helper.make_node("Gather", [inputs[2], inputs[0]], outputs[:1])]
    if node.op_type == "FusedMatMul" and not attributes.get("transBatchA") and not attributes.get("transBatchB"):
        if not attributes.get("transA") and not attributes.get("transB"):
            return [helper.make_node("MatMul", inputs[:2], outputs[:1])]
        left, right = "ji" if attributes.get("transA") else "ij", "kj" if attributes.get("transB") else "jk"
        right = right if len(sizes.get(inputs[1], ())) == 2 else f"...{right}"
        return [helper.make_node("Einsum", inputs[:2], outputs[:1], equation=f"...{left},{right}->...ik")]
    return None

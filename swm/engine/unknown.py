# SPDX-License-Identifier: Apache-2.0
"""Operators that nothing here can run: in the default domain, but unknown to onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from onnx import FunctionProto, NodeProto
from onnxruntime.capi import onnxruntime_pybind11_state

from swm.errors import Finding, UnsupportedModel
from swm.graph import Graph, Opaque
from swm.onnx_io import inner_nodes

__all__ = ["require_known", "unknown_operators"]

_REASON = "no operator of ONNX that the installed onnxruntime knows"
_REMEDY = "export the model again with standard operators, or keep it for a runtime of your own with --keep-unknown"


def unknown_operators(graph: Graph) -> tuple[Finding, ...]:
    """Every node of ONNX's own domain that onnxruntime has no operator for, those inside others included."""
    functions = [FunctionProto.FromString(f) for f in graph.functions]
    own = {(f.domain, f.name) for f in functions}
    found = []
    for where, op, domain in (*_carried(graph), *_called(functions)):
        if domain in ("", "ai.onnx") and op not in _known() and (domain, op) not in own:
            found.append(Finding(where, op, _REASON, _REMEDY))
    return tuple(found)


def require_known(graph: Graph) -> None:
    """Refuse a model that nothing here can run.

    Raises:
        UnsupportedModel: nodes whose operators onnxruntime does not know, all of them named.
    """
    unknown = unknown_operators(graph)
    if unknown:
        what = f"{graph.source or graph.name!r} cannot be run by onnxruntime, so it is not converted:"
        raise UnsupportedModel(what, unknown)


def _carried(graph: Graph) -> Iterator[tuple[str, str, str]]:
    for node in graph.nodes:
        if isinstance(node, Opaque):
            yield node.name, node.op_type, node.domain
            for inner in inner_nodes(NodeProto.FromString(node.proto)):
                yield f"{node.name}/{inner.name or inner.op_type}", inner.op_type, inner.domain


def _called(functions: list[FunctionProto]) -> Iterator[tuple[str, str, str]]:
    for function in functions:
        for node in function.node:
            for inner in (node, *inner_nodes(node)):
                yield f"{function.name}/{inner.name or inner.op_type}", inner.op_type, inner.domain


@cache
def _known() -> frozenset[str]:
    """What onnxruntime has in ONNX's domain, operators of its own there included."""
    schemas = onnxruntime_pybind11_state.get_all_operator_schema()
    return frozenset(s.name for s in schemas if s.domain in ("", "ai.onnx"))

# SPDX-License-Identifier: Apache-2.0
"""The table of operators: what each becomes and where it may run, made from the code.

`python -m swm.operators > docs/operators.md` writes the page of the documentation.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields

from swm.accelerator.places import fixed_places, hls_places, rtl_places
from swm.graph import GRU, LSTM, RNN, Conv, Linear
from swm.onnx_io import operators

__all__ = ["OperatorRow", "markdown", "operator_table"]

_STRUCTURED = {kind.op for kind in (Conv, Linear, GRU, LSTM, RNN)}
_GONE = {"constant": "folded", "removed": "removed"}  # what is gone after import runs nowhere and is in nobody's way


@dataclass(frozen=True)
class OperatorRow:
    """A row: an operator, the opsets of its domain, what it becomes, and where that may run.

    Attributes:
        domain: "" is ONNX's own.
        operator: name of the operator.
        opsets: the versions, as "7-12", or "13+" up to the newest.
        becomes: types of node, of which the first that fits is taken; what fits none is carried along opaque.
        structured: whether its weights can be block-circulant.
        fixed: whether the integer engine runs it: "kernel" or "free", or "" (the host may, at either end of a network).
        hls: the same for hardware in C++.
        rtl: the same for hardware in SystemVerilog.
    """

    domain: str
    operator: str
    opsets: str
    becomes: str
    structured: str
    fixed: str
    hls: str
    rtl: str


def operator_table() -> tuple[OperatorRow, ...]:
    """Every operator that is typed. onnxruntime runs all others, unchanged."""
    every = (fixed_places(), hls_places(), rtl_places())
    fixed, hls, rtl = ({kind.op: place for kind, place in places.items()} for places in every)
    rows = []
    newest = max(found.last for found in operators())
    for found in operators():
        kinds = found.becomes.split(", ")  # one of them; "a + b" are several nodes, of which each is needed
        rows.append(
            OperatorRow(
                domain=found.domain,
                operator=found.op,
                opsets=f"{found.first}+" if found.last == newest or found.domain else f"{found.first}-{found.last}",
                becomes=found.becomes,
                structured="yes" if _STRUCTURED.intersection(found.becomes.replace(" + ", ", ").split(", ")) else "",
                fixed=_places(kinds, fixed),
                hls=_places(kinds, hls),
                rtl=_places(kinds, rtl),
            )
        )
    return tuple(rows)


def _places(kinds: list[str], known: dict[str, str]) -> str:
    """Where the nodes that an operator may become run."""
    return ", ".join(dict.fromkeys(p for k in kinds if (p := _GONE.get(k) or known.get(k, ""))))


def markdown() -> str:
    """The page docs/operators.md."""
    headings = [f.name for f in fields(OperatorRow)]
    lines = [
        "# Operators",
        "",
        "This page is made from the code by `python -m swm.operators > docs/operators.md`; `swm check --operators`",
        "prints the same table.",
        "",
        "Every operator that onnxruntime runs is taken. Those below become *typed* nodes with one meaning whatever",
        "opset they came from; all others, and forms of these that no typed node says, are carried along unchanged",
        "and run in onnxruntime. `structured`: its weights can become block-circulant. `fixed`, `hls` and `rtl`: where",
        "it runs in the integer engine, in C++, in SystemVerilog: a *kernel*, *free* (no arithmetic), or not (empty).",
        "`swm check MODEL --backend rtl` names single forms that have no RTL. What does not run may stay with the host",
        "at either end of a network, before or after the hardware. Of several types under",
        "`becomes`, that holds for those with constant operands (Linear, Affine); `a + b` are several nodes. QONNX's",
        "operators keep their formula in saved files, spelt out in standard operators. Simplification makes most",
        "ConvTranspose a Conv and a DepthToSpace, which can be structured and become hardware.",
        "",
        "| " + " | ".join(headings) + " |",
        "|" + "---|" * len(headings),
    ]
    lines += ["| " + " | ".join(getattr(row, h) for h in headings) + " |" for row in operator_table()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())

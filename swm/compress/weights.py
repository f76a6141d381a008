# SPDX-License-Identifier: Apache-2.0
"""The matrices of a graph that may become block-circulant, their names, and the rules by which some stay dense."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from swm.errors import OptionError
from swm.graph import Conv, Graph, Linear, Node, Recurrent
from swm.structure import BlockCirculant, Dense, FewBits, WeightStructure

__all__ = [
    "Blocks",
    "WeightRef",
    "asked_by_name",
    "dense_weights",
    "parse_blocks",
    "reason_against_groups",
    "reason_to_stay_dense",
    "resolve_blocks",
]

Blocks = int | Mapping[str, int]


@dataclass(frozen=True, eq=False)
class WeightRef:
    """One dense weight: a whole Linear or Conv, or W or R of a recurrent layer (all directions).

    Attributes:
        node: its node.
        role: "" for the only weight of a node, else "W" or "R".
        name: what a block map calls it: the node's name, or `name/W`, `name/R`.
        shape: (m, n) of one matrix; of a Conv, output and input channels.
    """

    node: Node
    role: str
    name: str
    shape: tuple[int, int]


def dense_weights(graph: Graph) -> tuple[WeightRef, ...]:
    """All dense weights in execution order; those of few bits are dense, too, but for how they are stored."""
    found: list[WeightRef] = []
    for node in graph.nodes:
        match node:
            case Linear(weight=Dense() | FewBits()):
                found.append(WeightRef(node, "", node.name, node.weight.shape))
            case Conv(weight=Dense() | FewBits()):
                found.append(WeightRef(node, "", node.name, (node.weight.shape[0], node.channels)))
            case Recurrent():
                for role, weights in (("W", node.input_weight), ("R", node.recurrent_weight)):
                    if all(isinstance(w, Dense | FewBits) for w in weights):
                        found.append(WeightRef(node, role, f"{node.name}/{role}", weights[0].shape))
            case _:
                pass
    return tuple(found)


def reason_to_stay_dense(
    ref: WeightRef, last: Node | None, block: int, structure: type[WeightStructure] = BlockCirculant
) -> str:
    """Why a weight stays dense at a block size (or whatever the size of a structure is); empty if it is converted.

    `last` is the layer that gives the network's answer, where errors cost most; None for a weight asked for by name.
    """
    if ref.node is last:
        return "last layer with weights, converted only when a map of block sizes names it"
    if block == 1 and structure.one_is_dense:
        return "block size 1 asked for"
    if isinstance(ref.node, Conv) and ref.node.group > 1:
        m, n = ref.shape
        return reason_against_groups(ref.node.group, (m // ref.node.group, n), block, structure)
    if structure is not BlockCirculant:
        return _reason_against_other(ref, block, structure)
    against = structure.reason_against(ref.shape, block)
    if against:
        m, n = ref.shape
        return f"{against} in " + (f"{m} x {n} channels" if isinstance(ref.node, Conv) else f"a {m} x {n} matrix")
    if isinstance(ref.node, Recurrent) and ref.node.hidden % block:
        return f"a block of {block} would straddle two gates of {ref.node.hidden} cells"
    return ""


def reason_against_groups(
    groups: int, shape: tuple[int, int], block: int, structure: type[WeightStructure] = BlockCirculant
) -> str:
    """Why the kernel of a convolution in groups stays dense; empty if it does not.

    Args:
        groups: of channels.
        shape: output and input channels of each.
        block: asked for.
        structure: asked for.
    """
    if structure is not BlockCirculant:
        return f"convolution in {groups} groups"
    m, n = shape
    straddles = m % block or n % block
    return f"convolution in {groups} groups of {m} x {n} channels, no whole blocks of {block}" if straddles else ""


def _reason_against_other(ref: WeightRef, size: int, structure: type[WeightStructure]) -> str:
    """Of structures that do not know channels from kernels, nor gates from each other: the whole matrix counts."""
    if not isinstance(ref.node, Linear) and not structure.function:
        return f"files have no form for {structure.label} weights of a {ref.node.op} layer"
    m, n = ref.node.weight.shape if isinstance(ref.node, Linear | Conv) else ref.shape
    against = structure.reason_against((m, n), size)
    return f"{against} in a {m} x {n} matrix" if against else ""


def resolve_blocks(
    found: tuple[WeightRef, ...], blocks: Blocks, structure: type[WeightStructure] = BlockCirculant
) -> dict[str, int]:
    """Block size of each weight by name; 0 where a map does not name it.

    A map's keys are names or glob patterns; the name of a recurrent layer stands for both of its weights. An exact
    name prevails over a pattern, a later pattern over an earlier one.

    Raises:
        OptionError: an impossible block size, or a key that matches nothing.
    """
    if not isinstance(blocks, Mapping):
        return dict.fromkeys((p.name for p in found), structure.check_size(blocks))
    result = dict.fromkeys((p.name for p in found), 0)
    ordered = sorted(blocks.items(), key=lambda item: any(item[0] in (p.name, p.node.name) for p in found))
    for key, block in ordered:
        dense = block == 1 and structure.one_is_dense and not isinstance(block, bool)
        size = block if dense else structure.check_size(block)
        exact = [p for p in found if key in (p.name, p.node.name)]
        matched = exact or [p for p in found if fnmatchcase(p.name, key) or fnmatchcase(p.node.name, key)]
        if not matched:
            names = list(dict.fromkeys(n for p in found for n in (p.name, p.node.name)))
            near = difflib.get_close_matches(key, names, n=3, cutoff=0.0) or names[:3]
            raise OptionError(
                f"no layer with dense weights is named or matches {key!r}; the nearest names are "
                f"{', '.join(map(repr, near)) or 'none: the model has no such layer'}; swm check lists all nodes"
            )
        result.update(dict.fromkeys((p.name for p in matched), size))
    return result


def asked_by_name(found: tuple[WeightRef, ...], blocks: Blocks) -> frozenset[str]:
    """Names of the weights for which a map has an entry of their own, not a pattern only."""
    keys = blocks.keys() if isinstance(blocks, Mapping) else ()
    return frozenset(p.name for p in found if p.name in keys or p.node.name in keys)


def parse_blocks(text: str) -> int | dict[str, int]:
    """`8`, or `fc1=8,conv*=4`.

    Raises:
        OptionError: neither form.
    """
    pieces = [piece.strip() for piece in text.split(",")]
    try:
        if len(pieces) == 1 and "=" not in text:
            return int(text)
        pairs = [piece.rpartition("=") for piece in pieces]
        if all(name.strip() for name, _, _ in pairs):
            return {name.strip(): int(number) for name, _, number in pairs}
    except ValueError:
        pass  # said below
    raise OptionError(f"block sizes {text!r} are neither a number nor a list like 'fc1=8,conv*=4'")

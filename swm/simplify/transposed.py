# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions as convolutions whose outputs are laid beside each other, so that they can be structured.

Of a transposed convolution of stride s the outputs s q + r of one r are a convolution of the input with every s-th
weight of the kernel (the sub-pixel form of Shi et al., "Is the deconvolution layer the same as a convolutional
layer?", 2016). One convolution computes those of all r as channels of their own, and DepthToSpace, or a Transpose
between two Reshapes where strides differ or there is one axis, lays them out; of several groups the pixels of a
channel stay together. No zero is put between inputs. Where s does not divide the kernel, its last weights are zeros;
along an axis of stride and dilation above 1 zeros stand between the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import (
    Activation,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Graph,
    Names,
    Node,
    Pad,
    Reshape,
    Transpose,
    node_names,
    tensor_names,
)
from swm.onnx_io import reread
from swm.structure import Dense

__all__ = ["as_convolutions"]

_OPEN: Any = {"name": "", "inputs": (), "outputs": ()}  # ends that are joined last


def as_convolutions(graph: Graph) -> Graph:
    """The graph with its transposed convolutions as convolutions, and pixels shuffled in the order of whole pixels.

    A transposed convolution stays as it is where it cuts off more than its kernel adds, or where strides differ or
    there are groups, and the size of its input is not known. A DepthToSpace of mode CRD (PixelShuffle in PyTorch)
    behind a convolution becomes one of mode DCR: the convolution's channels change places.
    """
    names, tensors = node_names(graph), tensor_names(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        form = list(_form(graph, node, names, tensors)) if isinstance(node, ConvTranspose) else []
        nodes += form or [node]
    nodes = _whole_pixels(replace(graph, nodes=tuple(nodes)))
    if all(a is b for a, b in zip(nodes, graph.nodes, strict=False)) and len(nodes) == len(graph.nodes):
        return graph
    return reread(replace(graph, nodes=tuple(nodes)))


def _form(graph: Graph, node: ConvTranspose, names: Names, tensors: Names) -> Iterator[Node]:
    """The nodes that take the place of one; none where it stays."""
    rank, strides, groups = len(node.kernel), node.strides, node.group
    spread, dilations = _spread(node)
    kernel, behind = spread.shape[2:], node.pads[rank:]
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    last = [r + more - cut for r, more, cut in zip(reach, node.output_padding, behind, strict=True)]
    taps = [-(-k // s) for k, s in zip(kernel, strides, strict=True)]
    axes = list(zip(taps, dilations, strides, node.pads[:rank], last, strict=True))
    pads = [(t - 1) * d - cut // s for t, d, s, cut, _ in axes] + [e // s for _, _, s, _, e in axes]
    grid = _grid(graph, node, pads, taps, dilations)
    if min(*pads, *last) < 0 or (grid is None and (groups > 1 or len(set(strides)) > 1)):
        return
    cuts = [cut % s for _, _, s, cut, _ in axes] + [s - 1 - e % s for _, _, s, _, e in axes]
    phases, outputs = prod(strides), node.weight.shape[1] * groups
    weight = np.concatenate([_phases(part, strides, taps, first=groups > 1) for part in np.split(spread, groups)])
    bias = None if node.bias is None else (np.tile if groups == 1 else np.repeat)(node.bias, phases)
    steps: list[Node] = [
        Conv(
            **_OPEN,
            weight=Dense(weight.reshape(len(weight), -1)),
            bias=bias,
            channels=node.weight.shape[0] // groups,
            kernel=tuple(taps),
            strides=(1,) * rank,
            dilations=dilations,
            pads=tuple(pads),
            group=groups,
        )
    ]
    if phases > 1 and rank == 1 and groups == 1:
        steps += [Reshape(**_OPEN, shape=(0, phases, outputs, -1)), Transpose(**_OPEN, perm=(0, 2, 3, 1))]
        steps += [Reshape(**_OPEN, shape=(0, outputs, -1))]
    elif phases > 1 and groups == 1 and len(set(strides)) == 1:
        steps += [DepthToSpace(**_OPEN, block=strides[0])]
    elif phases > 1:
        assert grid is not None
        steps += _laid_out(strides, outputs, grid, channels_first=groups > 1)
    if any(cuts):
        steps += [Pad(**_OPEN, pads=(0, 0, *(-c for c in cuts[:rank]), 0, 0, *(-c for c in cuts[rank:])))]
    tensor = node.inputs[0]
    for step in steps:
        output = node.outputs[0] if step is steps[-1] else tensors.unique(f"{node.name}/{step.op}")
        name = node.name if step is steps[0] else names.unique(f"{node.name}/{step.op}")
        yield replace(step, name=name, inputs=(tensor,), outputs=(output,))
        tensor = output


def _spread(node: ConvTranspose) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """The kernel, and the dilations that a convolution keeps: where the stride is above 1, zeros stand between."""
    kept = tuple(d if s == 1 else 1 for d, s in zip(node.dilations, node.strides, strict=True))
    steps = [d // k for d, k in zip(node.dilations, kept, strict=True)]
    sizes = [(n - 1) * step + 1 for n, step in zip(node.kernel, steps, strict=True)]
    full = np.zeros((*node.weight.shape[:2], *sizes), np.float32)
    full[(slice(None), slice(None), *(slice(None, None, step) for step in steps))] = node.weight
    return full, kept


def _grid(
    graph: Graph, node: ConvTranspose, pads: list[int], taps: list[int], dilations: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Positions that the convolution writes along each axis; None where the model does not say."""
    known, rank = graph.types.get(node.inputs[0]), len(taps)
    sizes = known.shape[2:] if known is not None and known.shape is not None else ()
    whole = [n for n in sizes if isinstance(n, int)]
    if len(sizes) != rank or len(whole) != rank:
        return None
    ends = zip(whole, pads[:rank], pads[rank:], taps, dilations, strict=True)
    return tuple(n + before + behind - (t - 1) * d for n, before, behind, t, d in ends)


def _laid_out(strides: tuple[int, ...], outputs: int, grid: tuple[int, ...], *, channels_first: bool) -> Iterator[Node]:
    """(N, strides... * M, grid...), or channels first in these, → (N, M, grid * strides...)."""
    rank = len(grid)
    split = (outputs, *strides) if channels_first else (*strides, outputs)
    channel, stride = (1, 2) if channels_first else (1 + rank, 1)
    yield Reshape(**_OPEN, shape=(-1, *split, *grid))
    places = (place for axis in range(rank) for place in (2 + rank + axis, stride + axis))
    yield Transpose(**_OPEN, perm=(0, channel, *places))
    yield Reshape(**_OPEN, shape=(-1, outputs, *(n * s for n, s in zip(grid, strides, strict=True))))


def _phases(
    kernel: NDArray[np.float32], strides: tuple[int, ...], taps: list[int], *, first: bool
) -> NDArray[np.float32]:
    """(C, M, kernel...) → (strides... * M, C, taps...): what each output of a pixel multiplies, the last tap first.

    With `first` the rows are M * strides..., so that those of a group stay together.
    """
    rank = len(taps)
    size = [(0, t * s - k) for t, s, k in zip(taps, strides, kernel.shape[2:], strict=True)]
    full = np.pad(kernel, [(0, 0), (0, 0), *size])
    split = full.reshape(*full.shape[:2], *(n for t, s in zip(taps, strides, strict=True) for n in (t, s)))
    tap_axes, phase_axes = [2 + 2 * a for a in range(rank)], [3 + 2 * a for a in range(rank)]
    rows = (1, *phase_axes) if first else (*phase_axes, 1)
    laid = np.flip(split, tuple(tap_axes)).transpose(*rows, 0, *tap_axes)
    return np.ascontiguousarray(laid.reshape(-1, *laid.shape[rank + 1 :]))


def _whole_pixels(graph: Graph) -> list[Node]:
    """The nodes, with DepthToSpace of mode DCR wherever a convolution before it can take the change of channels."""
    producers, readers = graph.producers(), graph.readers()
    changed: dict[int, Node] = {}
    for node in graph.nodes:
        if not isinstance(node, DepthToSpace) or node.mode != "CRD":
            continue
        before: Node | None = node
        while before is node or (isinstance(before, Activation) and len(before.inputs) == 1):
            tensor = before.inputs[0]
            before = producers.get(tensor) if len(readers[tensor]) == 1 else None
        if isinstance(before, Conv) and isinstance(before.weight, Dense) and before.group == 1:
            changed[id(before)] = _shuffled(before, node.block**2)
            changed[id(node)] = replace(node, mode="DCR")
    return [changed.get(id(node), node) for node in graph.nodes]


def _shuffled(node: Conv, pixels: int) -> Conv:
    """Rows of channels [channel][pixel] as [pixel][channel]."""
    assert isinstance(node.weight, Dense)
    matrix = node.weight.to_dense()
    order = np.arange(len(matrix)).reshape(-1, pixels).T.reshape(-1)
    bias = None if node.bias is None else node.bias[order]
    return replace(node, weight=Dense(np.ascontiguousarray(matrix[order])), bias=bias)

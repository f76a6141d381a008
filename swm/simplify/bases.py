# SPDX-License-Identifier: Apache-2.0
"""The tensors of a graph that is written again with samples first, and how they are made of those that are there."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.graph import Graph, Labels, Linear, Node, Reshape, Slice, Transpose, moved, node_names, tensor_names
from swm.simplify.views import View, view_of
from swm.structure import Dense

__all__ = ["Bases", "Left", "Shape"]

Shape: TypeAlias = tuple[int, ...]
_MOST = 1 << 24  # values of a tensor, each of which is followed by a number


class Left(Exception):
    """A node that is not written again."""


class Bases:
    """The new graph so far.

    A tensor that an operation writes is a base: it has a shape for a batch of one, and a shape of a sample, with which
    it stands in the new graph behind the axis of samples. Every other tensor is a view of a base.

    Attributes:
        nodes: in execution order.
        constants: that the old graph does not have.
    """

    def __init__(self, one: Graph) -> None:
        """Begin with nothing but a graph for a batch of one."""
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self._one, self._names, self._tensors = one, node_names(one), tensor_names(one)
        self._views: dict[str, tuple[str, Labels]] = {}  # of tensors of `one`
        self._sample: dict[str, Shape] = {}  # of tensors of the new graph, without the axis of samples
        self._products: dict[str, Linear] = {}  # that write bases
        self._made: dict[tuple[Any, ...], str] = {}
        self._outputs = {v.name for v in one.outputs}

    def knows(self, tensor: str) -> bool:
        """Whether a tensor of the old graph holds activations that are there."""
        return tensor in self._views

    def move(self, node: Node) -> None:
        """A node of `swm.graph.MOVES`: it is only remembered."""
        base, labels = self._views[node.inputs[0]]
        made = moved(node, labels, [self.shape(t) for t in node.outputs], self._one.constants)
        if made is None:
            raise Left
        self._views.update({t: (base, found) for t, found in zip(node.outputs, made, strict=True)})

    def write(self, node: Node, shape: Shape, sample: Shape) -> None:
        """A node with operands of the new graph, whose output is a base."""
        self.nodes.append(node)
        self.base(node.outputs[0], shape, sample)
        if isinstance(node, Linear):
            self._products[node.outputs[0]] = node

    def shape(self, tensor: str) -> Shape:
        """For a batch of one."""
        if tensor in self._one.constants:
            return self._one.constants[tensor].shape
        shape = self._one.shape_of(tensor)
        sizes = tuple(d for d in shape or () if isinstance(d, int))
        if shape is None or len(sizes) != len(shape) or not 0 < prod(sizes) <= _MOST:
            raise Left
        return sizes

    def base(self, tensor: str, shape: Shape, sample: Shape) -> None:
        """A tensor of both graphs: of this shape for a batch of one, of this shape of a sample in the new one."""
        self._views[tensor] = (tensor, np.arange(prod(shape)).reshape(shape))
        self._sample[tensor] = sample

    def constant(self, like: str, values: NDArray[Any]) -> str:
        """A new constant, by its name."""
        name = self._tensors.unique(like)
        self.constants[name] = values
        return name

    def operand(self, tensor: str, sample: Shape) -> str:
        """A tensor of the new graph that holds one of the old, as samples of a shape."""
        if tensor not in self._views:
            raise Left
        base, labels = self._views[tensor]
        view = view_of(labels, prod(self._sample[base]))
        if view is None:
            raise Left
        if not view.whole:
            base, view = self._part(base, view)
        key = (base, view, sample)
        if key not in self._made:
            self._made[key] = self._written(tensor, base, view, sample)
        return self._made[key]

    def _part(self, base: str, view: View) -> tuple[str, View]:
        """A base that holds what a view takes, and the view of it."""
        again = View(view.kept, (0,) * len(view.kept), view.kept, view.perm)
        key = (base, view.dims, view.starts, view.counts)
        if key not in self._made:
            rows = self._rows(base, view)
            self._made[key] = self._cut(base, view) if rows is None else self._fewer(base, rows)
        return self._made[key], again

    def _rows(self, base: str, view: View) -> NDArray[np.int64] | None:
        """The outputs of a matrix product that a view takes at every position; None where it takes other things."""
        product = self._products.get(base)
        if product is None or base in self._outputs:
            return None
        columns = product.weight.shape[0]
        positions = prod(self._sample[base]) // columns
        front = next((i for i in range(len(view.dims) + 1) if prod(view.dims[:i]) == positions), None)
        if front is None or view.counts[:front] != view.dims[:front]:
            return None
        box = np.arange(columns).reshape(view.dims[front:])
        cut = tuple(slice(s, s + c) for s, c in zip(view.starts[front:], view.counts[front:], strict=True))
        return box[cut].reshape(-1)

    def _fewer(self, base: str, rows: NDArray[np.int64]) -> str:
        """The product with some of its outputs only."""
        whole = self._products[base]
        name, output = self._names.unique(f"{whole.name}/part"), self._tensors.unique(f"{base}/part")
        part = replace(
            whole,
            name=name,
            outputs=(output,),
            weight=Dense(np.ascontiguousarray(whole.weight.to_dense()[rows])),
            bias=None if whole.bias is None else whole.bias[rows],
        )
        self.nodes.append(part)
        self._sample[output] = (*self._sample[base][:-1], len(rows))
        return output

    def _cut(self, base: str, view: View) -> str:
        """A Slice of the base as it is, where a view is a box in it; else of the base in the view's axes."""
        sample, taken = self._sample[base], view.places
        along = [(int(p.min()), int(p.max()) + 1) for p in np.unravel_index(taken, sample)]
        box = View(sample, tuple(low for low, _ in along), tuple(high - low for low, high in along), ())
        source = base
        if not np.array_equal(box.places, taken):
            box, source = view, self.step(Reshape, base, base, view.dims, shape=(0, *view.dims))
        axes = [i for i, (c, d) in enumerate(zip(box.counts, box.dims, strict=True)) if c != d]
        return self.step(
            Slice,
            base,
            source,
            box.counts,
            starts=tuple(box.starts[i] for i in axes),
            ends=tuple(box.starts[i] + box.counts[i] for i in axes),
            axes=tuple(i + 1 for i in axes),
            steps=(1,) * len(axes),
        )

    def _written(self, tensor: str, base: str, view: View, sample: Shape) -> str:
        source = base
        lengths = tuple(view.kept[i] for i in view.perm)
        if view.perm != tuple(sorted(view.perm)):
            source = self.step(Reshape, tensor, source, view.kept, shape=(0, *view.kept))
            source = self.step(Transpose, tensor, source, lengths, perm=(0, *(i + 1 for i in view.perm)))
        return self.step(Reshape, tensor, source, sample, shape=(0, *sample))

    def step(self, make: type[Node], like: str, source: str, sample: Shape, **options: Any) -> str:
        """A node that moves values; none where a Reshape would change nothing."""
        if make is Reshape and self._sample[source] == sample:
            return source
        return self.computed(make, (source,), f"{like}/{make.op}", sample, **options)

    def computed(self, make: type[Node], inputs: tuple[str, ...], like: str, sample: Shape, **options: Any) -> str:
        """What a new node writes, which is called after another tensor."""
        output = self._tensors.unique(like)
        self.nodes.append(make(name=self._names.unique(like), inputs=inputs, outputs=(output,), **options))
        self._sample[output] = sample
        return output

    def end(self, tensor: str) -> None:
        """The output under its own name, samples first."""
        shape = self.shape(tensor)
        if shape[:1] != (1,):
            raise Left
        found = self.operand(tensor, shape[1:])
        if found != tensor:
            last = next((i for i, n in enumerate(self.nodes) if n.outputs == (found,)), None)
            alone = last is not None and sum(found in n.inputs for n in self.nodes) == 0
            if last is not None and alone:
                self.nodes[last] = replace(self.nodes[last], outputs=(tensor,))
            else:
                self._names.unique(tensor)
                self.nodes.append(
                    Reshape(
                        name=self._names.unique(f"{tensor}/Reshape"),
                        inputs=(found,),
                        outputs=(tensor,),
                        shape=(0, *shape[1:]),
                    )
                )

# SPDX-License-Identifier: Apache-2.0
"""A low-rank part beside the circulant part of a layer, `C x + U (V x) + b`, where it pays for its multiplications.

Both parts are fitted in turn to what the dense network answers: the low-rank part is the reduced-rank regression
(Izenman 1975) of what the circulant part leaves, the circulant part the least squares of what the low-rank part leaves.
Under a ReLU targets are relaxed in every turn as in `swm.structure.rectify`. In the graph these are plain nodes, which
any runtime runs: two dense layers and a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.activation_pairs import ActivationPairs, rows
from swm.compress.counting import Positions, multiplications
from swm.compress.fit_layers import fit_conv, fit_linear, patch_spectra, pixels, refit
from swm.compress.methods import Method, Problem
from swm.errors import CalibrationError, OptionError
from swm.graph import Add, Conv, Graph, Linear, Node, TensorType, node_names, tensor_names
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, WeightStructure
from swm.structure.moments import moments

__all__ = ["Corrected", "check_correction", "corrected"]

TURNS = 3  # of both fits
ROW_BYTES = 1 << 28  # of inputs and answers that they see; more are thinned out evenly
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Corrected:
    """A layer as four nodes: the circulant part, with the bias, `down` (r x n), `up` (m x r) and their sum."""

    circulant: Linear | Conv
    down: Linear | Conv
    up: Linear | Conv
    total: Node

    @property
    def rank(self) -> int:
        """R."""
        return self.down.weight.shape[0]

    @property
    def added(self) -> tuple[WeightStructure, WeightStructure]:
        """The two dense matrices."""
        return self.down.weight, self.up.weight

    @property
    def written_out(self) -> Linear | Conv:
        """One dense layer that answers the same."""
        down, up = (weight.to_dense() for weight in self.added)
        return replace(self.circulant, weight=Dense(self.circulant.weight.to_dense() + up @ down))

    def put(self, graph: Graph, node: Node) -> Graph:
        """The graph with these nodes in the place of one."""
        new = (self.circulant, self.down, self.up, self.total)
        known = {v.name: v.type for v in graph.outputs} | dict(graph.types)
        whole = known.get(node.outputs[0]) or TensorType(1, None)
        axis = -1 if isinstance(self.down, Linear) else 1
        thin = whole
        if whole.shape is not None:
            sizes = [*whole.shape]
            sizes[axis] = self.rank
            thin = replace(whole, shape=tuple(sizes))
        types = {self.circulant.outputs[0]: whole, self.down.outputs[0]: thin, self.up.outputs[0]: whole}
        nodes = [m for n in graph.nodes for m in (new if n is node else (n,))]
        return replace(graph, types={**graph.types, **types}).with_nodes(nodes)


def check_correction(rank: int, structure: type[WeightStructure], *, calibrated: bool) -> None:
    """Refuse a rank that cannot be, or has nothing to stand beside.

    Raises:
        OptionError: not a number from 0 on, or another structure than block-circulant.
        CalibrationError: no calibration inputs.
    """
    if isinstance(rank, bool) or not isinstance(rank, int | np.integer) or rank < 0:
        raise OptionError(f"a correction of rank {rank!r} is impossible: choose a number from 1, or 0 for none")
    if rank and structure is not BlockCirculant:
        raise OptionError(f"a correction stands beside block-circulant weights, not beside {structure.label} ones")
    if rank and not calibrated:
        raise CalibrationError("a correction is fitted to calibration inputs by least squares; give both")


def corrected(
    node: Linear | Conv,
    new: Linear | Conv,
    rank: int,
    method: type[Method],
    pairs: ActivationPairs,
    positions: Positions | None,
) -> Corrected | None:
    """The layer with a low-rank part, if that lowers the calibration error more per multiplication than smaller blocks.

    Args:
        node: dense.
        new: with circulant blocks, fitted to the same pairs.
        rank: of the low-rank part.
        method: of the fits.
        pairs: what the layer reads and should answer.
        positions: how often an inference runs it, None where that is not known.

    Returns:
        None where smaller blocks, of half the size (or dense weights), pay as much, and for convolutions in groups.
    """
    (m, n), block = new.weight.shape, new.weight.size
    if rank >= min(m, n) or (isinstance(node, Conv) and node.group > 1):
        return None
    fit = _Fit(node, new, rank, method, pairs)
    pairs.note("smaller blocks")
    half = block // 2
    if half < 2:
        finer: Node = refit(node, pairs)
    elif isinstance(node, Linear):
        finer = fit_linear(node, half, method(), pairs)
    else:
        finer = fit_conv(node, half, method(), pairs)
    assert isinstance(finer, Linear | Conv)
    before = fit.error(new.weight.to_dense(), new.bias)
    smaller = fit.error(finer.weight.to_dense(), finer.bias)
    pairs.note(f"correction of rank {rank}")
    made = fit.run()
    gained = fit.error(made.written_out.weight.to_dense(), made.circulant.bias)
    cost = {
        name: sum(multiplications((weight,), positions) for weight in weights)
        for name, weights in (("now", (new.weight,)), ("finer", (finer.weight,)), ("added", made.added))
    }
    dearer = cost["finer"] - cost["now"]
    pays = dearer > 0 and (before - gained) * dearer > (before - smaller) * cost["added"]
    return made if pays else None


class _Fit:
    """The fits of one layer, to rows that are gathered once."""

    def __init__(
        self, node: Linear | Conv, new: Linear | Conv, rank: int, method: type[Method], pairs: ActivationPairs
    ) -> None:
        self.node, self.new, self.rank, self.method = node, new, rank, method
        self.rectified = pairs.rectified(node.outputs[0])
        pieces = list(_rows(node, pairs))
        self.x, self.y = (np.concatenate(side) for side in zip(*pieces, strict=True))
        self.graph = pairs.converted

    def error(self, matrix: Array, bias: Array | None) -> float:
        """Sum of squares of what a matrix and a bias leave."""
        left = self._left(self.x @ matrix.T + (0 if bias is None else bias))
        return float(np.sum(np.square(left), dtype=np.float64))

    def run(self) -> Corrected:
        """Both parts, in turn."""
        weight, bias = self.new.weight, np.zeros(len(self.y[0]), np.float32) if self.new.bias is None else self.new.bias
        dense, block = self.node.weight.to_dense(), self.new.weight.size
        low = np.zeros_like(dense)
        up, down = np.zeros((len(dense), self.rank)), np.zeros((self.rank, dense.shape[1]))
        for turn in range(TURNS):
            own = weight.to_dense()
            answer = self.x @ (own + low).T + bias
            target = answer + self._left(answer)
            up, down = self._low_rank(target - self.x @ own.T, dense - own)
            low = (up @ down).astype(np.float32)
            if turn + 1 == TURNS:  # the bias still makes the means right
                bias = (target - self.x @ (own + low).T).mean(axis=0, dtype=np.float64).astype(np.float32)
                break
            answer = self.x @ (own + low).T + bias
            target = answer + self._left(answer)
            weight, bias = self._circulant(target - self.x @ low.T, block)
        return self._nodes(replace(self.new, weight=weight, bias=bias), up, down)

    def _left(self, answer: Array) -> Array:
        if not self.rectified:
            return self.y - answer
        return np.where(self.y > 0, self.y - answer, -np.maximum(answer, 0))

    def _low_rank(self, target: Array, start: Array) -> tuple[Array, Array]:
        """U (m, r) and V (r, n) of least squares: the best dense answer on the r directions in which it is largest."""
        seen = moments((target.shape[1], self.x.shape[1]), lambda: [(self.x, target)])
        best = seen.best(start)
        _, vectors = np.linalg.eigh(best @ seen.gram @ best.T)
        up = vectors[:, -self.rank :]
        return up, up.T @ best

    def _circulant(self, target: Array, block: int) -> tuple[WeightStructure, Array]:
        """The circulant part of least squares."""
        node = self.node
        channels = node.channels if isinstance(node, Conv) else self.x.shape[1]
        matrix = node.weight.to_dense().reshape(node.weight.shape[0], channels, -1)
        spectra = patch_spectra(self.x, channels, block)
        matrices = tuple(matrix[:, :, i] for i in range(matrix.shape[2]))
        found = self.method().fit(Problem(matrices, block, lambda: [(spectra, target)]))
        assert found.bias is not None  # check_correction sees to the method
        if isinstance(node, Linear):
            return BlockCirculant(found.columns[0], node.weight.shape), found.bias
        shape = (node.weight.shape[0], node.channels)
        return BlockCirculantConv(np.stack(found.columns), shape, node.kernel), found.bias

    def _nodes(self, circulant: Linear | Conv, up: Array, down: Array) -> Corrected:
        node, names, tensors = self.node, node_names(self.graph), tensor_names(self.graph)
        part, low, high = (tensors.unique(f"{node.name}/{t}") for t in ("blocks", "down", "up"))
        dense = [Dense(np.ascontiguousarray(a, np.float32)) for a in (down, up)]
        common: dict[str, Any] = {"bias": None}
        first = replace(node, name=names.unique(f"{node.name}/down"), outputs=(low,), weight=dense[0], **common)
        common |= {"name": names.unique(f"{node.name}/up"), "inputs": (low,), "outputs": (high,), "weight": dense[1]}
        if isinstance(node, Linear):
            second: Linear | Conv = replace(node, **common)
        else:
            ones = (1,) * len(node.kernel)
            second = replace(
                node,
                channels=self.rank,
                kernel=ones,
                strides=ones,
                dilations=ones,
                pads=(0,) * (2 * len(ones)),
                **common,
            )
        total = Add(name=names.unique(f"{node.name}/sum"), inputs=(part, high), outputs=node.outputs)
        return Corrected(replace(circulant, outputs=(part,)), first, second, total)


def _rows(node: Linear | Conv, pairs: ActivationPairs) -> Iterator[tuple[Array, Array]]:
    """Inputs (rows, n), of a convolution patches, and wanted outputs (rows, m)."""
    if isinstance(node, Conv):
        yield from ((x[:, 0], y[:, 0]) for x, y in pixels(node, pairs))
        return
    samples = max(1, *(len(a) for a in pairs.feeds.values() if a.ndim), 1)
    for (x,), (y,) in pairs.chunks(node.inputs, node.outputs):
        flat, wanted = rows(x), rows(y)
        room = ROW_BYTES * len(x) // samples
        thin = slice(None, None, max(1, -(-(flat.nbytes + wanted.nbytes) // max(room, 1))))
        yield flat[thin], wanted[thin]

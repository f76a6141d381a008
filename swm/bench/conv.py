# SPDX-License-Identifier: Apache-2.0
"""Block-circulant convolutions against onnxruntime's dense ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.bench.chosen import Layer, chosen_layer
from swm.bench.race import Contender, Progress, Race, run_cases
from swm.engine.kernels import ENGINES, ConvGeometry, Policy, dense_conv
from swm.engine.structured import StructuredLayer
from swm.graph import Conv
from swm.structure import BlockCirculantConv

__all__ = ["CASES", "ConvCase", "operations", "run_case", "run_conv"]

ACCURACY_SAMPLES = 1


@dataclass(frozen=True)
class ConvCase:
    """One convolution with as many output as input channels and zeros around that keep the image's size.

    Attributes:
        channels: in and out.
        kernel: size of each spatial axis.
        image: pixels of each spatial axis.
        k: block size.
        batch: samples a call.
        stride: of every axis.
        goal: speed-up on one thread to reach, None where nothing is asked.
        quick: part of a quick run.
    """

    channels: int
    kernel: tuple[int, ...]
    image: tuple[int, ...]
    k: int
    batch: int
    stride: int = 1
    goal: float | None = None
    quick: bool = False

    @property
    def name(self) -> str:
        """`channels kernel on image/k/batch`."""
        kernel, image = ("x".join(map(str, v)) for v in (self.kernel, self.image))
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        return f"{self.channels} {kernel} on {image}{stride}/{self.k}/{self.batch}"

    @property
    def geometry(self) -> ConvGeometry:
        """Its parameters."""
        rank = len(self.kernel)
        before, after = [r // 2 for r in self.kernel], [(r - 1) // 2 for r in self.kernel]
        return ConvGeometry(
            (self.channels, self.channels),
            self.kernel,
            (self.stride,) * rank,
            (1,) * rank,
            (*before, *after),
        )


CASES = (
    ConvCase(256, (3, 3), (14, 14), 16, 16, goal=4.0, quick=True),
    *(ConvCase(256, (3, 3), (14, 14), k, 16) for k in (4, 8, 32, 64)),
    ConvCase(256, (3, 3), (14, 14), 16, 1, quick=True),
    ConvCase(256, (3, 3), (14, 14), 16, 256),
    ConvCase(256, (1, 1), (14, 14), 16, 16, quick=True),
    ConvCase(256, (3, 3), (14, 14), 16, 16, stride=2),
    ConvCase(64, (3, 3), (56, 56), 8, 4),
    ConvCase(512, (3, 3), (7, 7), 16, 16),
    ConvCase(128, (5,), (100,), 16, 16),
)


def operations(case: ConvCase, complex_operations: int) -> float:
    """Float operations: 2.5 k log2 k a transform of a block of a pixel, products as in `kernels.operations`."""
    blocks, k = case.channels // case.k, case.k
    into, out = math.prod(case.image), math.prod(case.geometry.out(case.image))
    transforms = (into + out) * blocks * 2.5 * k * math.log2(k)
    products = out * math.prod(case.kernel) * blocks * blocks * (complex_operations * (k // 2 - 1) + 4)
    return case.batch * (transforms + products)


def run_case(case: ConvCase, race: Race, threads: tuple[int, ...] = (1, 2)) -> list[dict[str, Any]]:
    """Time one case: a row for each number of threads, and on one thread for each other engine."""
    rng = np.random.default_rng(0)
    g, blocks = case.geometry, case.channels // case.k
    columns = rng.normal(size=(math.prod(case.kernel), blocks, blocks, case.k)).astype(np.float32)
    weight = BlockCirculantConv(columns, g.channels, case.kernel)
    tensor = weight.to_tensor()
    x = rng.normal(size=(case.batch, case.channels, *case.image)).astype(np.float32)
    node = Conv(
        name="conv",
        inputs=("x",),
        outputs=("y",),
        weight=weight,
        channels=case.channels,
        kernel=case.kernel,
        strides=g.strides,
        dilations=g.dilations,
        pads=g.pads,
    )
    exact = _reference(tensor, x[:ACCURACY_SAMPLES], g)
    moved = 4.0 * (columns.size + x.size + case.batch * exact[0].size)
    dense = {t: dense_conv(tensor, g, threads=t) for t in threads}
    layers: list[tuple[str, str, int, Layer]] = []
    for t in threads:
        engine, layer = chosen_layer(node, x, t, lambda tensors, t=t: (dense[t](tensors[0]),))  # type: ignore[misc]
        layers.append(("auto", engine, t, layer))
    others = [name for name, e in ENGINES.items() if name not in (layers[0][1], "dense") and e.missing() is None]
    layers += [(name, name, threads[0], StructuredLayer(node, Policy("eager", 1, name))) for name in others]
    contenders = []
    for label, engine, t, layer in layers:
        error = np.abs(layer([x[:ACCURACY_SAMPLES]])[0] - exact).max() / np.abs(exact).max()
        work = operations(case, 6 if engine == "compiled" else 8)
        if engine == "dense":
            work = 2.0 * tensor.size * case.batch * math.prod(exact.shape[2:])
        contenders.append(Contender(label, engine, t, partial(layer, [x]), float(error), work, moved))
    rivals: dict[int, dict[str, Callable[[], object]]]
    rivals = {t: {"onnxruntime": partial(run, x)} for t, run in dense.items()}
    head = {"case": case.name, "n": case.channels, "k": case.k, "batch": case.batch}
    return race.run(head, contenders, rivals, case.goal)


def run_conv(*, quick: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """All cases: machine, limits and rows.

    Raises:
        ToolError: no compiler for the probes.
    """
    return run_cases("conv", CASES, run_case, quick, progress)


def _reference(tensor: NDArray[np.float32], x: NDArray[np.float32], g: ConvGeometry) -> NDArray[np.float64]:
    """The convolution in float64, tap by tap."""
    rank = len(g.kernel)
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *((g.pads[i], g.pads[rank + i]) for i in range(rank))])
    out = g.out(x.shape[2:])
    y = np.zeros((len(x), len(tensor), math.prod(out)))
    for tap in itertools.product(*map(range, g.kernel)):
        cut = tuple(slice(t, t + (n - 1) * s + 1, s) for t, s, n in zip(tap, g.strides, out, strict=True))
        seen = padded[(slice(None), slice(None), *cut)].reshape(len(x), x.shape[1], -1)
        position = int(np.ravel_multi_index(tap, g.kernel))
        y += tensor.reshape(*tensor.shape[:2], -1)[:, :, position].astype(np.float64) @ seen
    return y.reshape(len(x), len(tensor), *out)

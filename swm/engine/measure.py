# SPDX-License-Identifier: Apache-2.0
"""Measures the constants of the cost model on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from swm.engine.kernels import (
    ENGINES,
    BlockMatmul,
    CellShape,
    ConvGeometry,
    ConvShape,
    Policy,
    Shape,
    dense_cell,
    dense_conv,
)
from swm.engine.kernels.cost import DEFAULTS, AnyShape, Constants, fit, store
from swm.engine.structured import StructuredLayer
from swm.graph import LSTM, Conv, GateActivation, Node
from swm.kernels import Floats, cpu_name
from swm.structure import BlockCirculant, BlockCirculantConv

__all__ = ["measure_constants"]

# Every feature of the model is large in some of these.
_PRODUCTS = (  # (p, q, k, batch)
    *((1, 1, 8, 1), (2, 2, 64, 1), (4, 4, 256, 1), (16, 16, 64, 1), (64, 64, 16, 1), (16, 16, 128, 1)),
    *((1, 1, 8, 64), (2, 2, 64, 64), (4, 4, 128, 32), (16, 16, 64, 64), (64, 64, 8, 64), (32, 8, 32, 128)),
)
_CONVOLUTIONS = (  # (kernel side, p, q, k, image side, batch)
    *((3, 1, 1, 8, 4, 1), (3, 4, 4, 16, 14, 1), (1, 4, 4, 16, 28, 1), (3, 8, 8, 8, 14, 1), (3, 2, 2, 64, 14, 2)),
    *((1, 16, 16, 8, 7, 4), (1, 2, 2, 32, 28, 4), (3, 16, 16, 16, 7, 1), (3, 8, 2, 16, 14, 2)),
)
_CELLS = (  # (hidden, inputs, k, steps, batch)
    *(
        (16, 16, 8, 1, 1),
        (16, 16, 8, 40, 1),
        (32, 32, 8, 20, 1),
        (128, 64, 8, 50, 1),
        (256, 64, 16, 20, 1),
        (512, 512, 16, 10, 1),
        (128, 128, 8, 10, 16),
        (256, 256, 64, 10, 16),
    ),
    *((512, 64, 64, 20, 1), (64, 512, 16, 20, 4), (256, 16, 4, 10, 1)),
)
_REPEATS = 7
_BURST = 3e-4  # seconds of repetitions behind one timing


def measure_constants(progress: Callable[[str, int, int], None] | None = None) -> Constants:
    """Measure the constants and keep them in the cache folder: some seconds, and as quiet a machine as possible.

    Engines that cannot run here keep the built-in constants.
    """
    seconds = {family: dict(engines) for family, engines in DEFAULTS.seconds.items()}
    usable = [name for name, engine in ENGINES.items() if engine.missing() is None]
    families: dict[str, Callable[[str], tuple[list[AnyShape], list[float]]]]
    families = {"matmul": _products, "conv": _convolutions, "recurrent": _cells}
    total = len(families) * len(usable)
    for index, (family, measure) in enumerate(families.items()):
        for done, name in enumerate(usable):
            if progress:
                progress(f"constants of {family}, {name}", index * len(usable) + done, total)
            seconds[family][name] = fit(name, *measure(name))
    measured = Constants(seconds, f"measured on {cpu_name()} on {time.strftime('%Y-%m-%d')}")
    store(measured)
    return measured


def _products(engine: str) -> tuple[list[AnyShape], list[float]]:
    rng = np.random.default_rng(0)
    shapes: list[AnyShape] = []
    times = []
    for p, q, k, batch in _PRODUCTS:
        product = BlockMatmul(BlockCirculant(rng.normal(size=(p, q, k)).astype(np.float32))).prepared(engine)
        x = rng.normal(size=(batch, q * k)).astype(np.float32)
        out = np.empty((batch, p * k), np.float32)
        times.append(median_time(partial(product, x, out)))
        shapes.append(Shape(p, q, k, batch))
    return shapes, times


def _convolutions(engine: str) -> tuple[list[AnyShape], list[float]]:
    rng = np.random.default_rng(0)
    shapes: list[AnyShape] = []
    times = []
    for side, p, q, k, image, batch in _CONVOLUTIONS:
        weight = BlockCirculantConv(
            rng.normal(size=(side * side, p, q, k)).astype(np.float32), (p * k, q * k), (side, side)
        )
        x = rng.normal(size=(batch, q * k, image, image)).astype(np.float32)
        pads, one = (side // 2,) * 4, (1, 1)
        if engine == "dense":
            geometry = ConvGeometry(weight.channels, weight.kernel, one, one, pads)
            call = _on(dense_conv(weight.to_tensor(), geometry), x)
        else:
            node = Conv(
                name="conv",
                inputs=("x",),
                outputs=("y",),
                weight=weight,
                channels=q * k,
                kernel=weight.kernel,
                strides=one,
                dilations=one,
                pads=pads,
            )
            call = _calling(node, engine, x)
        times.append(median_time(call))
        padded = image + 2 * (side // 2)
        shapes.append(ConvShape(side * side, p, q, k, padded * padded, image * image, batch))
    return shapes, times


def _cells(engine: str) -> tuple[list[AnyShape], list[float]]:
    rng = np.random.default_rng(0)
    shapes: list[AnyShape] = []
    times = []
    gates = (GateActivation("Sigmoid"), GateActivation("Tanh"), GateActivation("Tanh"))
    for hidden, inputs, k, steps, batch in _CELLS:
        sides = [rng.normal(size=(4 * hidden // k, n // k, k)) / np.sqrt(n) for n in (inputs, hidden)]
        w, r = (BlockCirculant(c.astype(np.float32)) for c in sides)
        x = rng.normal(size=(steps, batch, inputs)).astype(np.float32)
        if engine == "dense":
            zeros = np.zeros(8 * hidden, np.float32)
            call = _on(dense_cell("LSTM", w.to_dense(), r.to_dense(), zeros), x)
        else:
            node = LSTM(
                name="lstm",
                inputs=("x",),
                outputs=("y",),
                input_weight=(w,),
                recurrent_weight=(r,),
                hidden=hidden,
                activations=gates,
            )
            call = _calling(node, engine, x)
        times.append(median_time(call))
        dense = [4 * hidden * n for n in (inputs, hidden)]
        shapes.append(CellShape(w.words, dense[0], r.words, dense[1], 4 * hidden, steps, batch))
    return shapes, times


def _on(run: Callable[[Floats], object], x: Floats) -> Callable[[], object]:
    return lambda: run(x)


def _calling(node: Node, engine: str, x: Floats) -> Callable[[], object]:
    layer = StructuredLayer(node, Policy("eager", 1, engine))
    return lambda: layer([x])


def median_time(call: Callable[[], object]) -> float:
    """Median seconds of a call, each timing long enough for the clock."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, int(_BURST / max(time.perf_counter() - start, 1e-7)))
    timings = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for _ in range(count):
            call()
        timings.append((time.perf_counter() - start) / count)
    return statistics.median(timings)

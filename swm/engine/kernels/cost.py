# SPDX-License-Identifier: Apache-2.0
"""A linear model of each engine's time: counted work times constants measured once per machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from swm.kernels import cache_folder, few_samples, machine_key, replace_file

__all__ = [
    "ENGINE_NAMES",
    "AnyShape",
    "CellShape",
    "Constants",
    "ConvShape",
    "Shape",
    "features",
    "fit",
    "predict",
    "store",
    "stored_constants",
]

_log = logging.getLogger(__name__)

ENGINE_NAMES = ("compiled", "pyfftw", "scipy", "dense")
TILE = 16  # samples of a tile with AVX-512; the model's unit of batch work for the compiled engine


@dataclass(frozen=True)
class Shape:
    """A product to predict: p x q blocks of k, `batch` samples, `threads` threads."""

    p: int
    q: int
    k: int
    batch: int
    threads: int = 1

    @property
    def work(self) -> int:
        """Multiply-accumulates by the words of the circulant vectors."""
        return self.batch * self.p * self.q * self.k


@dataclass(frozen=True)
class ConvShape:
    """A convolution to predict: p x q blocks of k at each of `taps` kernel positions.

    Attributes:
        pixels_in: of a sample, padding included.
        pixels_out: of a sample.
    """

    taps: int
    p: int
    q: int
    k: int
    pixels_in: int
    pixels_out: int
    batch: int
    threads: int = 1

    @property
    def work(self) -> int:
        """Multiply-accumulates by the words of the circulant vectors."""
        return self.batch * self.pixels_out * self.taps * self.p * self.q * self.k


@dataclass(frozen=True)
class CellShape:
    """A recurrent layer to predict, one direction.

    Attributes:
        w: words of W's circulant vectors; of W itself where it is dense.
        w_dense: words of W written out.
        r: words of R's circulant vectors.
        r_dense: words of R written out.
        rows: gates * hidden.
    """

    w: int
    w_dense: int
    r: int
    r_dense: int
    rows: int
    steps: int
    batch: int
    threads: int = 1

    @property
    def work(self) -> int:
        """Multiply-accumulates by the words of the circulant vectors."""
        return self.steps * self.batch * (self.w + self.r)


AnyShape = Shape | ConvShape | CellShape
FAMILIES: dict[type[AnyShape], str] = {Shape: "matmul", ConvShape: "conv", CellShape: "recurrent"}


@dataclass(frozen=True)
class Constants:
    """Seconds per unit of each feature, by family of shapes and engine, and where they come from."""

    seconds: Mapping[str, Mapping[str, tuple[float, ...]]]
    source: str


# Measured with `swm.engine.measure_constants` on an AMD EPYC (family 25, model 17: Zen 4), numpy 2.4, scipy 1.17,
# pyfftw 0.15, onnxruntime 1.31. But for the multiply-accumulates of dense products, 2.6e-11 there: an Intel Xeon, whose
# multiply-adds are 512 bits wide, takes 1.5e-11, and where they are wrong they should rather let a layer run dense.
DEFAULTS = Constants(
    {
        "matmul": {
            "compiled": (3.1e-06, 5.3e-11, 3.2e-11, 0.0),
            "pyfftw": (4.2e-06, 3.3e-10, 6e-11, 0.0),
            "scipy": (1.3e-05, 4.1e-10, 1e-10, 0.0),
            "dense": (1.7e-06, 1.5e-11, 2.9e-11, 0.0),
        },
        "conv": {
            "compiled": (6.2e-06, 9.3e-11, 3.4e-11, 0.0),
            "pyfftw": (0.00011, 5.8e-10, 1e-10, 0.0),
            "scipy": (0.00013, 6.1e-10, 1.3e-10, 0.0),
            "dense": (7.8e-06, 1.6e-11, 0.0, 1.7e-10),
        },
        "recurrent": {
            "compiled": (3.7e-05, 0.0, 1.8e-09, 9.1e-12, 3.1e-11),
            "pyfftw": (4.7e-05, 2.7e-05, 1.3e-08, 5.6e-11, 0.0),
            "scipy": (4e-05, 2.7e-05, 1.3e-08, 5.9e-11, 0.0),
            "dense": (8.6e-06, 1.4e-07, 0.0, 2.8e-11, 1.8e-11),
        },
    },
    "built-in constants (AMD Zen 4 and Intel Xeon)",
)


def features(engine: str, shape: AnyShape) -> tuple[float, ...]:
    """Counted work of one call; work that is shared out counts once a thread.

    Products: calls, transform butterflies, spectral products, weight words. Convolutions: the same. Recurrent layers:
    calls, steps, gate values, words of R read by the steps, products. Dense: multiply-accumulates in place of products,
    words of the matrix in place of weight words, and input and output values of a convolution.
    """
    match shape:
        case Shape():
            return _of_product(engine, shape)
        case ConvShape():
            return _of_convolution(engine, shape)
        case CellShape():
            return _of_recurrence(engine, shape)


def _of_product(engine: str, shape: Shape) -> tuple[float, ...]:
    p, q, k, batch = shape.p, shape.q, shape.k, shape.batch
    if engine == "dense":  # BLAS has its own threads
        return (1.0, float(p * q * k * k * batch), float(p * q * k * k), 0.0)
    samples = batch
    if engine == "compiled":
        tiles, rest = divmod(batch, TILE)
        few = rest < few_samples(p, q)
        whole = tiles + (not few)
        samples = -(-whole // shape.threads) * TILE + (rest if few else 0) if whole else batch
        # blocks or samples, as many as a vector has: a single small block wastes most of its lanes
        if not whole:
            p, q = -(-p // 4) * 4, -(-q // 4) * 4
    values = samples * (p + q) * k
    return (1.0, values * float(np.log2(k)), float(samples * p * q * k), float(p * q * k))


def _of_convolution(engine: str, shape: ConvShape) -> tuple[float, ...]:
    p, q, k, s = shape.p, shape.q, shape.k, shape
    into, out = s.batch * s.pixels_in, s.batch * s.pixels_out
    if engine == "dense":
        words = s.taps * p * q * k * k
        return (1.0, words * out / s.threads, float(words), (q * into + p * out) * k / s.threads)
    if engine == "compiled":
        out = s.batch * -(-s.pixels_out // TILE) * TILE
        into, out = into / s.threads, out / s.threads  # type: ignore[assignment]
    transforms = (q * into + p * out) * k * float(np.log2(k))
    return (1.0, transforms, float(s.taps * p * q * k * out), float(s.taps * p * q * k))


def _of_recurrence(engine: str, shape: CellShape) -> tuple[float, ...]:
    s = shape
    w, r = (s.w_dense, s.r_dense) if engine == "dense" else (s.w, s.r)
    share = s.threads if engine in ("dense", "compiled") and s.batch >= TILE else 1
    return (
        1.0,
        float(s.steps),
        float(s.steps * s.batch * s.rows),
        float(s.steps * r),
        s.steps * s.batch * (w + r) / share,
    )


def predict(engine: str, shape: AnyShape, constants: Constants) -> float:
    """Seconds of one call."""
    units = constants.seconds[FAMILIES[type(shape)]][engine]
    return sum(c * f for c, f in zip(units, features(engine, shape), strict=True))


def fit(engine: str, shapes: list[AnyShape], times: list[float]) -> tuple[float, ...]:
    """Constants of one engine from measured seconds: non-negative least squares of the relative errors."""
    weighted = np.array([features(engine, s) for s in shapes]) / np.array(times)[:, None]
    scale = np.maximum(weighted.max(axis=0), 1e-30)
    from scipy.optimize import nnls  # here, as it takes a tenth of a second that no other call should pay

    solution, _ = nnls(weighted / scale, np.ones(len(times)))
    return tuple(float(v) for v in solution / scale)


def _path() -> Path:
    return cache_folder() / f"constants-{machine_key()}.json"


@lru_cache(maxsize=4)
def _stored(path: Path) -> Constants:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        seconds = {
            family: {name: tuple(float(v) for v in data["seconds"][family][name]) for name in engines}
            for family, engines in DEFAULTS.seconds.items()
        }
        if all(
            len(values) == len(DEFAULTS.seconds[family][name])
            for family, engines in seconds.items()
            for name, values in engines.items()
        ):
            return Constants(seconds, str(data["source"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.debug("constants in %s are not usable: %s", path, error)
    return DEFAULTS


def stored_constants() -> Constants:
    """The constants measured on this machine, or the built-in ones where none have been measured."""
    return _stored(_path())


def store(constants: Constants) -> None:
    """Keep constants in the cache folder for later processes."""
    content = {"source": constants.source, "seconds": constants.seconds}
    try:
        replace_file(_path(), json.dumps(content, indent=2).encode())
    except OSError as error:
        _log.warning("the measured constants could not be kept: %s", error)
    _stored.cache_clear()

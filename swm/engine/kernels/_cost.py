# SPDX-License-Identifier: Apache-2.0
"""A linear model of each engine's time: counted work times constants measured once per machine."""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from swm.engine.kernels._cache import cache_folder, cpu_name, machine_key, replace_file
from swm.engine.kernels._compiled import CompiledEngine, few_samples
from swm.engine.kernels._interface import MatmulEngine
from swm.engine.kernels._transforms import DenseEngine, FftwEngine, ScipyEngine

__all__ = ["ENGINES", "Constants", "Shape", "features", "measure_constants", "predict", "stored_constants"]

_log = logging.getLogger(__name__)

ENGINES: dict[str, MatmulEngine] = {e.name: e for e in (CompiledEngine(), FftwEngine(), ScipyEngine(), DenseEngine())}

TILE = 16  # samples of a tile with AVX-512; the model's unit of batch work for the compiled engine
_SHAPES = (  # (p, q, k, batch) measured: every feature is large in some of them
    *((1, 1, 8, 1), (2, 2, 64, 1), (4, 4, 256, 1), (16, 16, 64, 1), (64, 64, 16, 1), (16, 16, 128, 1)),
    *((1, 1, 8, 64), (2, 2, 64, 64), (4, 4, 128, 32), (16, 16, 64, 64), (64, 64, 8, 64), (32, 8, 32, 128)),
)
_REPEATS = 7
_BURST = 3e-4  # seconds of repetitions behind one timing


@dataclass(frozen=True)
class Shape:
    """A product to predict: p x q blocks of k, `batch` samples, `threads` threads."""

    p: int
    q: int
    k: int
    batch: int
    threads: int = 1


@dataclass(frozen=True)
class Constants:
    """Seconds per unit of each feature, by engine, and where they come from."""

    seconds: Mapping[str, tuple[float, ...]]
    source: str


# Measured with `measure_constants` on an AMD EPYC (family 25, model 17: Zen 4), numpy 2.4, scipy 1.17, pyfftw 0.15.
DEFAULTS = Constants(
    {
        "compiled": (2.8e-06, 8.6e-11, 4.2e-11, 2.7e-11),
        "pyfftw": (6.6e-06, 3.5e-10, 5.8e-11, 8.8e-11),
        "scipy": (1.3e-05, 4.2e-10, 1.1e-10, 0.0),
        "dense": (1.7e-06, 2.7e-11, 3.2e-11, 0.0),
    },
    "built-in constants (AMD Zen 4)",
)


def features(engine: str, shape: Shape) -> tuple[float, ...]:
    """Counted work of one call: calls, transform butterflies or matrix words, spectral products, weight words.

    For dense: calls, multiply-accumulates, weight words, nothing. Work that is shared out counts once a thread.
    """
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


def predict(engine: str, shape: Shape, constants: Constants) -> float:
    """Seconds of one call."""
    return sum(c * f for c, f in zip(constants.seconds[engine], features(engine, shape), strict=True))


def _path() -> Path:
    return cache_folder() / f"constants-{machine_key()}.json"


@lru_cache(maxsize=4)
def _stored(path: Path) -> Constants:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        seconds = {name: tuple(float(v) for v in data["seconds"][name]) for name in ENGINES}
        if all(len(v) == len(DEFAULTS.seconds[name]) for name, v in seconds.items()):
            return Constants(seconds, str(data["source"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.debug("constants in %s are not usable: %s", path, error)
    return DEFAULTS


def stored_constants() -> Constants:
    """The constants measured on this machine, or the built-in ones where none have been measured."""
    return _stored(_path())


def measure_constants(progress: Callable[[str, int, int], None] | None = None) -> Constants:
    """Measure the constants and keep them in the cache folder: a few seconds, and as quiet a machine as possible.

    Engines that cannot run here keep the built-in constants.
    """
    rng = np.random.default_rng(0)
    seconds = dict(DEFAULTS.seconds)
    usable = [name for name, engine in ENGINES.items() if engine.missing() is None]
    for done, name in enumerate(usable):
        if progress:
            progress(f"constants of {name}", done, len(usable))
        rows, times = [], []
        for p, q, k, batch in _SHAPES:
            product = ENGINES[name].prepare(rng.normal(size=(p, q, k)).astype(np.float32))
            x = rng.normal(size=(batch, q * k)).astype(np.float32)
            out = np.empty((batch, p * k), np.float32)
            times.append(median_time(lambda product=product, x=x, out=out: product(x, out)))  # type: ignore[misc]
            rows.append(features(name, Shape(p, q, k, batch)))
        weighted = np.array(rows) / np.array(times)[:, None]  # relative errors count, not absolute ones
        scale = np.maximum(weighted.max(axis=0), 1e-30)
        solution, _ = nnls(weighted / scale, np.ones(len(times)))
        seconds[name] = tuple(float(v) for v in solution / scale)
    measured = Constants(seconds, f"measured on {cpu_name()} on {time.strftime('%Y-%m-%d')}")
    content = {"source": measured.source, "seconds": {n: list(v) for n, v in measured.seconds.items()}}
    try:
        replace_file(_path(), json.dumps(content, indent=2).encode())
    except OSError as error:
        _log.warning("the measured constants could not be kept: %s", error)
    _stored.cache_clear()
    return measured


def median_time(call: Callable[[], object], repeats: int = _REPEATS, burst: float = _BURST) -> float:
    """Median seconds of a call, each timing long enough for the clock."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, int(burst / max(time.perf_counter() - start, 1e-7)))
    timings = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(count):
            call()
        timings.append((time.perf_counter() - start) / count)
    return statistics.median(timings)

# SPDX-License-Identifier: Apache-2.0
"""Chooses the engine of a product, convolution or recurrent layer, and says why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from swm.engine.kernels.compiled import CompiledEngine
from swm.engine.kernels.cost import ENGINE_NAMES, AnyShape, Shape, predict, stored_constants
from swm.engine.kernels.interface import MatmulEngine
from swm.engine.kernels.library_ffts import DenseEngine, FftwEngine, ScipyEngine
from swm.errors import OptionError

__all__ = ["ENGINES", "Choice", "Policy", "check_engine", "choose", "choose_for", "explain"]

OVERRIDE = "SWM_ENGINE"
ENGINES: dict[str, MatmulEngine] = {e.name: e for e in (CompiledEngine(), FftwEngine(), ScipyEngine(), DenseEngine())}

# Multiply-accumulates of the circulant vectors in one call above which a conversion waits for the compiled kernel.
DETERMINISTIC_WORK = 1_000_000_000


@dataclass(frozen=True)
class Choice:
    """The engine of one layer at one size.

    Attributes:
        engine: its name.
        reason: why, in one sentence.
        seconds: predicted time of one call by engine, for those that can run here.
        missing: why the others cannot run.
        plain: whether transforms run unplanned, as `swm.structure` does them: nothing is prepared for this engine.
    """

    engine: str
    reason: str
    seconds: dict[str, float]
    missing: dict[str, str]
    plain: bool = False


def check_engine(engine: str | None) -> tuple[str | None, str]:
    """The engine asked for by the argument, else by the environment, and who asks; None for auto.

    Raises:
        OptionError: no engine of that name.
    """
    for name, origin in ((engine, "asked for by the caller"), (os.environ.get(OVERRIDE), f"asked for by ${OVERRIDE}")):
        if name and name != "auto":
            if name not in ENGINE_NAMES:
                raise OptionError(f"there is no engine {name!r}: choose auto, {', '.join(ENGINE_NAMES)}")
            return name, origin
        if name:
            break
    return None, ""


def choose_for(shape: AnyShape, engine: str | None = None, missing: Mapping[str, str] | None = None) -> Choice:
    """The engine with the least predicted time, or the one that is asked for.

    Args:
        shape: what is to be computed.
        engine: name of an engine, "auto", or None: the environment's SWM_ENGINE, else auto.
        missing: engines that cannot run this one, with reasons, besides those that cannot run here at all.

    Raises:
        OptionError: no engine of that name.
    """
    absent = {name: why for name, e in ENGINES.items() if (why := e.missing()) is not None}
    absent |= missing or {}
    constants = stored_constants()
    seconds = {name: predict(name, shape, constants) for name in ENGINE_NAMES if name not in absent}
    wanted, origin = check_engine(engine)
    if wanted is not None and wanted not in absent:
        return Choice(wanted, origin, seconds, absent)
    best = min(seconds, key=seconds.__getitem__)
    reason = f"least predicted time, by {constants.source}"
    if wanted is not None:
        reason = f"{wanted} was {origin} but cannot run here ({absent[wanted]}); {reason}"
    elif best == "dense":
        reason = f"the layer is too small or too awkward for transforms to pay; {reason}"
    return Choice(best, reason, seconds, absent)


@dataclass(frozen=True)
class Policy:
    """How a layer that stands alone finds its engine; for whole networks see `swm.engine.planning`.

    Attributes:
        mode: "eager" takes what the cost model asks for, and builds it. "deterministic" goes by the size of the layer
            alone, so that a conversion gives the same numbers whatever this machine has built or measured.
        threads: to use.
        engine: name of an engine, "auto", or None: the environment's SWM_ENGINE, else auto.
    """

    mode: Literal["eager", "deterministic"] = "eager"
    threads: int = 1
    engine: str | None = None

    def choice(self, shape: AnyShape, missing: Mapping[str, str] | None = None) -> Choice:
        """The engine for a shape; for `missing` see `choose_for`."""
        found = choose_for(shape, self.engine, missing)
        if self.mode == "eager" or check_engine(self.engine)[0] is not None:
            return found
        if "compiled" not in found.missing and shape.work >= DETERMINISTIC_WORK:
            return Choice("compiled", "so large that its building pays", found.seconds, found.missing)
        plain = "scipy" if "pyfftw" in found.missing else "pyfftw"
        return Choice(plain, "by size alone", found.seconds, found.missing, plain=True)


def choose(p: int, q: int, k: int, batch: int, threads: int = 1, engine: str | None = None) -> Choice:
    """`choose_for` a product of p x q blocks of k with `batch` samples."""
    return choose_for(Shape(p, q, k, max(batch, 1), threads), engine)


def explain(p: int, q: int, k: int, batch: int, threads: int = 1, engine: str | None = None) -> str:
    """Which engine runs a product and why, with every engine's predicted time; several lines of text.

    Raises:
        OptionError: no engine of that name.
    """
    choice = choose(p, q, k, batch, threads, engine)
    lines = [f"{p} x {q} blocks of {k}, batch {batch}, {threads} thread(s): {choice.engine} ({choice.reason})"]
    ordered = sorted(choice.seconds.items(), key=lambda item: item[1])
    lines += [f"  {name:9} {1e3 * seconds:10.4f} ms predicted" for name, seconds in ordered]
    lines += [f"  {name:9} cannot run here: {why}" for name, why in choice.missing.items()]
    return "\n".join(lines)

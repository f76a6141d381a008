# SPDX-License-Identifier: Apache-2.0
"""Which layers of a network our kernels run, and which onnxruntime runs dense: by predicted time, as a whole.

Every layer of ours that stands alone cuts the network: onnxruntime is called once more, and fuses less. So layers are
not judged one by one. Three cuts are compared: no layer of ours, those that gain more than a call, and all that gain at
all (neighbours share calls). A network that would not gain clearly runs whole in onnxruntime.

Kernels that are not compiled yet are asked for (`swm.kernels.wanted_library`) where the plan that has them is better,
and until they are there the plan without them runs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from swm.engine.cutting import cut
from swm.engine.kernels import ENGINES, Choice
from swm.engine.kernels.choice import OVERRIDE, check_engine
from swm.engine.kernels.cost import ENGINE_NAMES, FAMILIES, predict, stored_constants
from swm.engine.workload import Workload, workload
from swm.errors import OptionError
from swm.graph import Graph, TensorType, is_structured, runs_dense
from swm.kernels import cores, wanted_library

__all__ = ["Plan", "make_plan", "prepare"]

# Seconds, read off runs of small networks on an Intel Xeon with AVX-512; `ENOUGH` covers that other machines differ.
HANDOFF = 9e-6  # one more call of onnxruntime from Python, its inputs and outputs
STEP = 1.5e-6  # Python around one layer of ours
DENSE_NODE = 0.7e-6  # a dense node inside a session, besides its arithmetic
VALUE = 4e-10  # a value that is handed over: written and read once more, and onnxruntime fuses less
LIBRARY = 3.0  # by which FFT libraries may be slower than predicted: they plan at the first run of each size
# Of the predicted time of the layers when all are dense: a plan has to promise less, for predictions err.
ENOUGH = 0.8


@dataclass(frozen=True)
class Plan:
    """How a network runs on inputs of some shapes.

    Attributes:
        engines: by name, the layers that kernels of ours run, and by which engine; all others run in onnxruntime.
        choices: by name of every structured layer, its engine and why.
        coming: whether a kernel is being built that would make another plan.
    """

    engines: Mapping[str, str]
    choices: Mapping[str, Choice]
    coming: bool = False


@dataclass
class _Layer:
    """What planning knows of a layer: seconds by engine that can run it now, reasons by engine that cannot."""

    work: Workload
    seconds: dict[str, float]
    missing: dict[str, str]

    def dense(self, call: float) -> float:
        """Seconds inside a session of onnxruntime; without end where it cannot run the layer."""
        return max(self.seconds["dense"] - call, 0.0) + DENSE_NODE if "dense" in self.seconds else math.inf

    def best(self) -> tuple[str, float]:
        """The best engine of ours, and its seconds."""
        seconds = {n: s * (1 if n == "compiled" else LIBRARY) for n, s in self.seconds.items() if n != "dense"}
        name = min(seconds, key=seconds.__getitem__)
        return name, seconds[name] + STEP + VALUE * self.work.values


def make_plan(graph: Graph, outputs: Sequence[str], shapes: Mapping[str, Sequence[int]], threads: int) -> Plan:
    """The plan with the least predicted time, or the one that SWM_ENGINE asks for.

    Args:
        graph: any.
        outputs: tensors wanted.
        shapes: of the graph's inputs.
        threads: to use.

    Raises:
        OptionError: SWM_ENGINE or SWM_BUILD name nothing that there is.
    """
    constants = stored_constants()
    absent = {name: why for name, e in ENGINES.items() if name != "dense" and (why := e.missing()) is not None}
    own: dict[str, Choice] = {}
    written_out: dict[str, Choice] = {}
    layers: dict[str, _Layer] = {}
    sizes = _Sizes(graph, shapes)
    for node in graph.needed(outputs):
        if is_structured(node):
            if runs_dense(node):
                written_out[node.name] = Choice(
                    "dense", "there is no kernel for convolutions of this structure", {}, {}
                )
                continue
            work = workload(node, sizes.of(node.inputs[0]), threads)
            if work is None:
                own[node.name] = Choice("structure", "weights of this structure multiply themselves", {}, {})
                continue
            missing = {**absent, **work.missing}
            seconds = {name: predict(name, work.shape, constants) for name in ENGINE_NAMES if name not in missing}
            layers[node.name] = _Layer(work, seconds, missing)
    asked, origin = check_engine(None)
    if asked is not None:
        engines = {n: asked if asked in layer.seconds else layer.best()[0] for n, layer in layers.items()}
        engines = {n: e for n, e in engines.items() if e != "dense"}
        return _plan(engines, layers, own, origin, written_out)

    def segments(ours: Mapping[str, str]) -> int:
        return sum(part.layer is None for part in cut(graph, outputs, {*ours, *own}, ours))

    calls = {name: constants.seconds[FAMILIES[type(layer.work.shape)]]["dense"][0] for name, layer in layers.items()}
    engines = _cheapest(layers, calls, segments)
    built = {
        lib: wanted_library(*lib) for n, e in engines.items() if e == "compiled" for lib in layers[n].work.libraries
    }
    late = {lib: wanted for lib, wanted in built.items() if wanted.library is None}
    if late:
        reason = next(iter(late.values())).reason
        for name, layer in layers.items():
            if late.keys() & set(layer.work.libraries):
                layer.seconds.pop("compiled", None)
                if engines.get(name) == "compiled":
                    layer.missing["compiled"] = reason
        engines = _cheapest(layers, calls, segments)
    why = f"least predicted time of the whole network, by {constants.source}"
    return _plan(engines, layers, own, why, written_out, any(wanted.coming for wanted in late.values()))


def prepare(graph: Graph) -> None:
    """Have the kernels built on which a graph would run one sample or many, so that they are there when it runs.

    Returns at once, unless SWM_BUILD is "wait"; what is wrong shows when the graph runs.
    """
    for samples in (1, 64):
        shapes = {}
        for value in graph.inputs:
            dims = value.type.shape if value.type and value.type.shape else ()
            shapes[value.name] = [d if isinstance(d, int) else 1 if axis else samples for axis, d in enumerate(dims)]
        with contextlib.suppress(OptionError):
            make_plan(graph, [v.name for v in graph.outputs], shapes, cores())


def _cheapest(
    layers: Mapping[str, _Layer], calls: Mapping[str, float], segments: Callable[[Mapping[str, str]], int]
) -> dict[str, str]:
    """By layer of ours its engine, for the best of the cuts that the module text names."""
    dense = {name: layer.dense(calls[name]) for name, layer in layers.items()}
    best = {name: layer.best() for name, layer in layers.items()}

    def seconds(ours: Mapping[str, str]) -> float:
        work = sum(best[name][1] if name in ours else dense[name] for name in layers)
        return work + HANDOFF * segments(ours)

    def those(gain: float) -> dict[str, str]:
        return {name: best[name][0] for name in layers if dense[name] - best[name][1] > gain}

    none = those(math.inf) | {name: best[name][0] for name in layers if dense[name] == math.inf}
    found = min((those(HANDOFF), those(0.0)), key=seconds)
    return found if seconds(found) < ENOUGH * seconds(none) else none


def _plan(
    engines: dict[str, str],
    layers: Mapping[str, _Layer],
    own: dict[str, Choice],
    why: str,
    written_out: Mapping[str, Choice],
    coming: bool = False,
) -> Plan:
    choices = {**own, **written_out}
    for name, layer in layers.items():
        engine, reason = engines.get(name, "dense"), why
        if "compiled" in layer.missing and engine != "compiled":
            reason = f"the compiled kernel cannot run: {layer.missing['compiled']}; {why}"
        elif engine == "dense" and OVERRIDE not in why:
            what = "the layer" if engines or own else "the network, which runs whole in onnxruntime,"
            reason = f"{what} is too small or too awkward for transforms to pay; {why}"
        choices[name] = Choice(engine, reason, layer.seconds, layer.missing)
    return Plan({**engines, **dict.fromkeys(own, "structure")}, choices, coming)


class _Sizes:
    """Shapes of tensors, from their types and the shapes of the graph's inputs; what no type tells is guessed."""

    def __init__(self, graph: Graph, shapes: Mapping[str, Sequence[int]]) -> None:
        self._shapes, self._types = shapes, graph.types
        self._symbols: dict[str, int] = {}
        for value in graph.inputs:
            declared = value.type.shape if value.type else None
            for dim, size in zip(declared or (), shapes.get(value.name, ()), strict=False):
                if isinstance(dim, str):
                    self._symbols.setdefault(dim, size)
        first = next(iter(shapes.values()), ())
        self._samples = first[0] if len(first) else 1

    def of(self, tensor: str) -> tuple[int, ...]:
        """A tensor's shape. An unknown first axis is taken for the samples, any other for a single element.

        Of a product that means one row for each sample.
        """
        if tensor in self._shapes:
            return tuple(self._shapes[tensor])
        kind: TensorType | None = self._types.get(tensor)
        if kind is None or kind.shape is None:
            return self._samples, 1
        dims = []
        for axis, dim in enumerate(kind.shape):
            guess = 1 if axis else self._samples
            dims.append(dim if isinstance(dim, int) else self._symbols.get(dim, guess) if dim else guess)
        return tuple(dims)

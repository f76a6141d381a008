# SPDX-License-Identifier: Apache-2.0
"""A model brought to what hardware takes for a sample: fixed lengths, samples along axis 0, states kept inside.

Each change is taken only after the new model gave the old one's answers on random inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from swm import onnx_io
from swm.engine import FloatEngine
from swm.errors import CalibrationError, ModelError, OptionError
from swm.graph import (
    Cast,
    Graph,
    Movement,
    Node,
    Recurrent,
    Reshape,
    Squeeze,
    TensorType,
    Transpose,
    Unsqueeze,
    Value,
    node_names,
    tensor_names,
    with_fixed_inputs,
)
from swm.graph import reads as _reads
from swm.validation import require_graph

__all__ = ["frame"]

Array = NDArray[Any]
_MOVES = (Movement, Reshape, Cast)
_MOST_STEPS = 65536
_MOST_TRACED = 1 << 22  # labels that float32 holds, with room
_CLOSE = 1e-4  # of the largest value


def frame(
    graph: Graph,
    *,
    sizes: Mapping[str, int] | None = None,
    batch_axis: int | str | None = 0,
    states: Mapping[str, str] | None = None,
    steps: int | None = None,
    drop: Sequence[str] = (),
    fix: Mapping[str, float | Array] | None = None,
) -> Graph:
    """The model for samples that hardware takes.

    Args:
        graph: a float graph, best simplified.
        sizes: lengths that the model leaves open, by name, such as {"length": 32}.
        batch_axis: of the inputs, along which samples lie; they lie along axis 0 of all inputs and outputs of what
            comes out, as many as one likes. A text: the open axis of that name of each input, where they differ, as
            initial states have it behind the layers. None: a whole run of the model is one sample, along a new axis 0.
        states: inputs that hold states by the outputs that a caller feeds back into them, such as {"h_in": "h_out"}:
            both go, the states stay inside, and every sample is `steps` steps that begin with states of zeros.
        steps: see `states`.
        drop: outputs that nobody needs.
        fix: inputs that hold one number everywhere, such as {"lengths": 20} where all sequences have 20 steps,
            {"h_0": 0} where all begin with zeros, or {"mask": 1} where no token is padding; or the values of a sample
            that are the same for all, such as positions of tokens. They go.

    Raises:
        OptionError: names, an axis or a number that the model does not have, or a model that computes something else
            in the new form; the message says what.
    """
    made = _without(require_graph(graph), drop)
    if sizes:
        made = _sized(made, sizes)
    if fix:
        made = _fixed(made, fix)
    if states or steps is not None:
        made = _sequence(made, dict(states or {}), steps)
    if batch_axis is None:
        return _whole_runs(made)
    names = made.first_sizes()  # several, where an exporter gave each input a name of its own for the samples
    return _batch_first(made, batch_axis) if batch_axis or len({n for n in names if isinstance(n, str)}) > 1 else made


def _without(graph: Graph, drop: Sequence[str]) -> Graph:
    names = [v.name for v in graph.outputs]
    unknown = sorted(set(drop) - set(names))
    if unknown or set(drop) == set(names):
        what = f"the model has no output {unknown[0]!r}" if unknown else "a model without outputs computes nothing"
        raise OptionError(f"{what}; it has {names}")
    if not drop:
        return graph
    kept = tuple(v for v in graph.outputs if v.name not in drop)
    return replace(graph, outputs=kept, nodes=tuple(graph.needed([v.name for v in kept])))


def _sized(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    known = {d for v in graph.inputs if v.type and v.type.shape for d in v.type.shape if isinstance(d, str)}
    for name, size in sizes.items():
        if name not in known:
            raise OptionError(f"no input has an axis named {name!r}; the open axes are {sorted(known) or 'none'}")
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise OptionError(f"axis {name!r} of length {size!r}: give a number of at least 1")

    def fixed(value: Value) -> Value:
        if value.type is None or value.type.shape is None:
            return value
        shape = tuple(sizes.get(d, d) if isinstance(d, str) else d for d in value.type.shape)
        return replace(value, type=replace(value.type, shape=shape))

    return _again(graph, inputs=tuple(map(fixed, graph.inputs)), outputs=tuple(map(fixed, graph.outputs)))


def _fixed(graph: Graph, fix: Mapping[str, float | Array]) -> Graph:
    made = _again(with_fixed_inputs(graph, fix))
    given = _random(tuple(replace(v, type=_some(v.type)) for v in graph.inputs))
    filled = {n: np.broadcast_to(fix[n], a.shape).astype(a.dtype) if n in fix else a for n, a in given.items()}
    want, got = _run(graph, filled), _run(made, {v.name: filled[v.name] for v in made.inputs})
    if not all(_same(got[name], a) for name, a in want.items()):
        raise OptionError(f"with {sorted(fix)} inside, the model computes something else")
    return made


def _some(kind: TensorType | None) -> TensorType:
    """A type in which two samples, or steps, stand where any number may."""
    if kind is None or kind.shape is None:
        raise OptionError("an input without a shape: export the model again")
    return replace(kind, shape=tuple(d if isinstance(d, int) else 2 for d in kind.shape))


def _again(graph: Graph, **changes: Any) -> Graph:
    """The graph with other parts, its types inferred anew."""
    return onnx_io.reread(replace(graph, types={}, sha256="", **changes))


def _whole_runs(graph: Graph) -> Graph:
    ends = _Ends(graph)
    for value in graph.inputs:
        shape = _known(value)
        ends.read(value, (1, *shape), Squeeze, {"axes": (0,)})
    results = _run(graph, _random(graph.inputs))
    for value in graph.outputs:
        ends.written(value, (1, *np.shape(results[value.name])), Unsqueeze, {"axes": (0,)})
    return ends.graph()


def _batch_axes(graph: Graph, batch_axis: int | str) -> dict[str, int]:
    """The axis of samples of each input."""
    found: dict[str, int] = {}
    for value in graph.inputs:
        shape = value.type.shape if value.type is not None and value.type.shape is not None else ()
        places = [i for i, d in enumerate(shape) if batch_axis in (i if isinstance(batch_axis, int) else d,)]
        if len(places) != 1:
            what = batch_axis if isinstance(batch_axis, int) else f"named {batch_axis!r}"
            raise OptionError(f"input {value.name!r} has no axis {what}: it is {shape}")
        if any(not isinstance(d, int) for i, d in enumerate(shape) if i != places[0]):
            raise OptionError(f"input {value.name!r} has the shape {shape}: fix what is open with sizes")
        found[value.name] = places[0]
    return found


def _batch_first(graph: Graph, batch_axis: int | str) -> Graph:
    axes = _batch_axes(graph, batch_axis)
    open_, why = _open(graph, axes), "its batch is fixed inside; export it with a dynamic batch"
    two, three = (_random(tuple(_shaped(v, _first(v, axes, b)) for v in open_.inputs)) for b in (2, 3))

    def run(x: Mapping[str, Array]) -> dict[str, Array]:
        return _run(open_, {name: np.moveaxis(a, 0, axes[name]) for name, a in x.items()}, why)

    small, large = run(two), run(three)
    ends = _Ends(open_)
    for value in open_.inputs:
        axis = axes[value.name]
        perm = tuple(np.argsort([axis, *(i for i in range(len(_shape(value))) if i != axis)]).tolist())
        ends.read(value, _first(value, axes, "batch"), Transpose, {"perm": perm})
    lies: dict[str, int] = {}
    for value in open_.outputs:
        shapes = [r[value.name].shape for r in (small, large)]
        places = [i for i, pair in enumerate(zip(*shapes, strict=True)) if pair == (2, 3)]
        if len(places) != 1:
            raise OptionError(f"output {value.name!r} has no axis of samples: it is {shapes[0]} and {shapes[1]}")
        (place,) = places
        lies[value.name] = place
        order = (place, *(i for i in range(len(shapes[0])) if i != place))
        ends.written(value, ("batch", *(shapes[0][i] for i in order[1:])), Transpose, {"perm": order})
    for i in range(3):  # a sample's answer is its own
        alone = run({name: a[i : i + 1] for name, a in three.items()})
        for name, place in lies.items():
            if not _same(np.take(large[name], [i], axis=place), alone[name]):
                raise OptionError(f"along axis {batch_axis} lie no samples: what one gives depends on the others")
    return ends.graph()


def _first(value: Value, axes: Mapping[str, int], batch: int | str) -> tuple[Any, ...]:
    """The shape of an input with its samples first."""
    return batch, *(d for i, d in enumerate(_shape(value)) if i != axes[value.name])


def _open(graph: Graph, axes: Mapping[str, int]) -> Graph:
    """With a batch of any length along an axis of each input."""

    def opened(value: Value) -> Value:
        assert value.type is not None and value.type.shape is not None
        shape = tuple("batch" if i == axes[value.name] else d for i, d in enumerate(value.type.shape))
        return replace(value, type=replace(value.type, shape=shape))

    outputs = tuple(replace(v, type=None if v.type is None else TensorType(v.type.elem, None)) for v in graph.outputs)
    return _again(graph, inputs=tuple(map(opened, graph.inputs)), outputs=outputs)


class _Ends:
    """A graph whose inputs and outputs take another shape by a node at each."""

    def __init__(self, graph: Graph) -> None:
        self.given = graph
        self.before: list[Node] = []
        self.after: list[Node] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.renamed: dict[str, str] = {}
        self.tensors, self.names = tensor_names(graph), node_names(graph)

    def read(self, value: Value, shape: tuple[Any, ...], make: type[Node], options: dict[str, Any]) -> None:
        """An input of another shape, and the node that gives the model's own."""
        inside = self._inside(value.name)
        name = self.names.unique(f"{make.op} of {value.name}")
        self.before.append(make(name=name, inputs=(value.name,), outputs=(inside,), **options))
        self.inputs.append(_shaped(value, shape))

    def written(self, value: Value, shape: tuple[Any, ...], make: type[Node], options: dict[str, Any]) -> None:
        """An output of another shape, made from the model's own."""
        inside = self._inside(value.name)
        name = self.names.unique(f"{make.op} to {value.name}")
        self.after.append(make(name=name, inputs=(inside,), outputs=(value.name,), **options))
        self.outputs.append(_shaped(value, shape))

    def graph(self) -> Graph:
        """The graph between its new ends."""

        def inner(node: Node) -> Node:
            inputs, outputs = (tuple(self.renamed.get(t, t) for t in ts) for ts in (node.inputs, node.outputs))
            return replace(node, inputs=inputs, outputs=outputs)

        nodes = (*self.before, *map(inner, self.given.nodes), *self.after)
        ends = {"inputs": tuple(self.inputs), "outputs": tuple(self.outputs)}
        return _again(self.given, nodes=nodes, **ends)

    def _inside(self, name: str) -> str:
        if name not in self.renamed:
            self.renamed[name] = self.tensors.unique(f"{name}/as_the_model_has_it")
        return self.renamed[name]


def _sequence(graph: Graph, states: dict[str, str], steps: int | None) -> Graph:
    if not states or steps is None:
        raise OptionError("states and steps belong together: which output goes back into which input, and how often")
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= _MOST_STEPS:
        raise OptionError(f"{steps!r} steps: choose 2 to {_MOST_STEPS:,}")
    ends = ({v.name for v in graph.inputs}, {v.name for v in graph.outputs})
    for name, among, what in [(i, ends[0], "input") for i in states] + [
        (o, ends[1], "output") for o in states.values()
    ]:
        if name not in among:
            raise OptionError(f"the model has no {what} {name!r}; it has {sorted(among)}")
    others = [v for v in graph.inputs if v.name not in states]
    if not others or set(states.values()) == ends[1]:
        raise OptionError("beside its states the model needs an input and an output")
    _trace(graph, states)
    nodes = tuple(replace(n, inputs=n.inputs[:1]) if isinstance(n, Recurrent) else n for n in graph.nodes)
    outputs = tuple(
        replace(v, type=None if v.type is None else TensorType(v.type.elem, None))
        for v in graph.outputs
        if v.name not in states.values()
    )
    given = _random(others, steps)
    wanted = _stepped(graph, states, given)
    for axis in range(max(len(_known(v)) for v in others)):
        inputs = tuple(_longer(v, axis, steps) for v in others)
        if None in inputs:
            continue
        kept = tuple(v for v in inputs if v is not None)
        made = replace(graph, inputs=kept, outputs=outputs, nodes=nodes)
        try:
            made = _again(made, nodes=tuple(made.needed([v.name for v in outputs])))
            found = FloatEngine(made).run({v.name: np.concatenate(given[v.name], axis=axis) for v in kept})
        except (CalibrationError, ModelError):
            continue
        for out in range(max(a[0].ndim for a in wanted.values())):
            if all(a[0].ndim > out and _same(found[n], np.concatenate(a, axis=out)) for n, a in wanted.items()):
                shaped = tuple(_shaped(v, np.shape(found[v.name])) for v in outputs)
                return _again(made, outputs=shaped)
    raise OptionError("a sequence of steps does not give what the steps give one after the other; fix its batch at 1")


def _trace(graph: Graph, states: Mapping[str, str]) -> None:
    """See that recurrent layers start from the state inputs, and that what they end with goes back to the same place.

    Nodes between only move values, so each value can be followed by a number of its own.
    """
    layers = [n for n in graph.nodes if isinstance(n, Recurrent)]
    starts = [t for n in layers for t in n.inputs[2:4] if t]
    values = {v.name: v for v in graph.inputs if v.name in states}
    sizes = {name: int(np.prod(_known(v))) for name, v in values.items()}
    if sum(sizes.values()) > _MOST_TRACED or any(len(n.inputs) > 1 and n.inputs[1] for n in layers):
        raise OptionError("states that large, or sequences with lengths of their own, are not followed")
    first = dict(zip(sizes, np.cumsum([1, *sizes.values()]).tolist(), strict=False))
    labels = {
        n: np.arange(first[n], first[n] + s, dtype=np.float32).reshape(_known(values[n])) for n, s in sizes.items()
    }
    led = _moved(graph, labels, starts)
    used = np.sort(np.concatenate([a.ravel() for a in led.values()])) if led else np.zeros(0)
    if len(led) != len(starts) or not np.array_equal(used, np.arange(1, sum(sizes.values()) + 1)):
        raise OptionError("not every state is the initial state of a recurrent layer, once, moved but not changed")
    ended: dict[str, Array] = {}
    for node in layers:
        h, c = (led.get(t) for t in (*node.inputs[2:4], "", "")[:2])
        if h is None:
            raise OptionError(f"recurrent layer {node.name!r} does not start from the states that are named")
        pairs = zip(node.outputs, (h[None].swapaxes(1, 1), h, c), strict=False)
        ended |= {t: a for t, a in pairs if t and a is not None}
    found = _moved(graph, ended, list(states.values()))
    for into, out in states.items():
        if out not in found or not np.array_equal(found[out].ravel(), labels[into].ravel()):
            raise OptionError(
                f"output {out!r} does not hold the states in the order in which input {into!r} takes them"
            )


def _moved(graph: Graph, given: Mapping[str, Array], wanted: list[str]) -> dict[str, Array]:
    """Tensors that only moves lead to from given ones."""
    known, inside = {*given, *graph.constants}, []
    for node in graph.nodes:
        reads = _reads(node)
        if isinstance(node, _MOVES) and known.issuperset(reads) and not set(reads) <= set(graph.constants):
            known.update(node.outputs)
            inside.append(node)
    reached = [t for t in dict.fromkeys(wanted) if t in known and t not in given and t not in graph.constants]
    found = {t: np.asarray(given[t]) for t in wanted if t in given}
    if not reached:
        return found
    float_ = 1  # onnx.TensorProto.FLOAT
    inputs = tuple(Value(t, TensorType(float_, a.shape)) for t, a in given.items())
    part = replace(graph, inputs=inputs, outputs=tuple(Value(t, None) for t in reached), nodes=tuple(inside))
    needed = part.needed(reached)
    read = {t for n in needed for t in _reads(n)}
    part = replace(part, nodes=tuple(needed), inputs=tuple(v for v in inputs if v.name in read))
    return {**found, **FloatEngine(part).run({v.name: given[v.name] for v in part.inputs})}


def _stepped(graph: Graph, states: Mapping[str, str], given: Mapping[str, list[Array]]) -> dict[str, list[Array]]:
    """The outputs of every step, states fed back from zeros on."""
    held = {v.name: np.zeros(_known(v), np.float32) for v in graph.inputs if v.name in states}
    engine, found = FloatEngine(graph), []
    for step in range(len(next(iter(given.values())))):
        results = engine.run({**held, **{name: parts[step] for name, parts in given.items()}})
        held = {into: results[out].reshape(held[into].shape) for into, out in states.items()}
        found.append(results)
    names = [v.name for v in graph.outputs if v.name not in states.values()]
    return {name: [one[name] for one in found] for name in names}


def _longer(value: Value, axis: int, steps: int) -> Value | None:
    shape = _known(value)
    if axis >= len(shape) or shape[axis] != 1:
        return None
    return _shaped(value, tuple(steps if i == axis else d for i, d in enumerate(shape)))


def _shaped(value: Value, shape: tuple[Any, ...]) -> Value:
    return replace(value, type=TensorType(1 if value.type is None else value.type.elem, shape))


def _shape(value: Value) -> tuple[Any, ...]:
    return () if value.type is None or value.type.shape is None else value.type.shape


def _known(value: Value) -> tuple[int, ...]:
    shape = value.type.shape if value.type is not None else None
    if shape is None or any(not isinstance(d, int) for d in shape):
        raise OptionError(f"input {value.name!r} has the shape {shape}: fix what is open with sizes")
    return tuple(d for d in shape if isinstance(d, int))


def _random(values: Any, steps: int = 0) -> dict[str, Any]:
    """Random inputs in the shapes of some values; lists of them for each of some steps."""
    rng = np.random.default_rng(0)

    def one(value: Value) -> Array:
        shape = _shape(value)
        if value.type is not None and value.type.elem != 1:  # onnx.TensorProto.FLOAT
            return np.zeros(shape, _dtype(value.type.elem))
        return rng.normal(size=shape).astype(np.float32)

    make: Callable[[Value], Any] = one if not steps else lambda v: [one(v) for _ in range(steps)]
    return {v.name: make(v) for v in values}


def _dtype(elem: int) -> np.dtype[Any]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(elem))


def _run(graph: Graph, x: Mapping[str, Array], why: str = "") -> dict[str, Array]:
    try:
        return FloatEngine(graph).run(x)
    except (CalibrationError, ModelError) as error:
        raise OptionError(f"the model does not run on random inputs: {why or error}") from error


def _same(found: Array, wanted: Array) -> bool:
    if found.shape != wanted.shape:
        return False
    return bool(np.abs(found - wanted).max(initial=0) <= _CLOSE * max(1.0, float(np.abs(wanted).max(initial=0))))

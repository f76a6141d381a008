# SPDX-License-Identifier: Apache-2.0
"""What one case does: load, check, convert, save, run, each timed, in a process of its own (`python -m ...worker`).

The supervisor writes the name of one model file per line; the answer is a line of JSON. Whatever is not an SwmError,
takes too long or swells is for the supervisor to judge: nothing is excused here.
"""

import json
import math
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, TypeProto, ValueInfoProto, helper

import swm
from swm.errors import SwmError
from swm.graph import Graph, Value
from swm.guard import Outcome, observers
from swm.simplify import simplify as simplified

_ELEMENTS = 1 << 16  # of an input; a larger one would be our own memory, not the model's


def feed(value: Value) -> Any:
    """A small input of the declared type; None if there is none."""
    if value.type is None:
        if not value.proto:
            return np.ones((1, 2), np.float32)
        kind = ValueInfoProto.FromString(value.proto).type
        return [_ones(kind.sequence_type.elem_type)] if kind.HasField("sequence_type") else None
    dims = [d if isinstance(d, int) and d >= 0 else 2 for d in value.type.shape or ()]
    return _array(value.type.elem, dims)


def _ones(kind: TypeProto) -> Any:
    return _array(kind.tensor_type.elem_type, [2])


def _array(elem: int, dims: list[int]) -> Any:
    if math.prod(max(d, 1) for d in dims) > _ELEMENTS or len(dims) > 32:
        return None
    if elem == TensorProto.STRING:
        return np.full(dims, "a", object)
    try:
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(elem))
    except (KeyError, ValueError, TypeError):
        return None
    rng = np.random.default_rng(0)
    return (rng.standard_normal(dims) if kind.kind == "f" else np.ones(dims)).astype(kind)


def feeds(graph: Graph) -> dict[str, Any] | None:
    values = {v.name: feed(v) for v in graph.inputs}
    return None if any(v is None for v in values.values()) else values


def case(path: Path, scratch: Path, *, simplify: bool = False) -> dict[str, Any]:
    """Every stage of one model: how long each ran, and the first SwmError of each."""
    seconds: dict[str, float] = {}
    errors: dict[str, str] = {}
    messages: dict[str, str] = {}

    def stage(name: str, function: Any) -> Any:
        start, busy = time.monotonic(), _busy()
        try:
            return function()
        except SwmError as error:
            errors[name] = type(error).__name__
            messages[name] = str(error)[:300]
            if not str(error).strip():
                raise AssertionError("an error without a message") from error
        finally:
            # On a machine that is busy with other work, a stage is not charged for time in which it did not run.
            seconds[name] = min(time.monotonic() - start, _busy() - busy)

    graph = stage("load", lambda: swm.load(path))
    if graph is not None and simplify:
        graph = stage("simplify", lambda: simplified(graph)) or graph
    if graph is not None:
        stage("check", lambda: swm.check(graph))
        given = feeds(graph)
        numbers = given is not None and all(
            isinstance(v, np.ndarray) and v.dtype.kind in "fiub" and v.ndim for v in given.values()
        )
        conversion = stage("convert", lambda: swm.convert(graph, block=2, calibration=given if numbers else None))
        converted = graph if conversion is None else conversion.graph
        stage("save", lambda: swm.save(converted, scratch / "saved.onnx"))
        if given is not None:
            stage("run", lambda: swm.run(graph, given))
            if converted is not graph and "convert" not in errors:
                stage("run converted", lambda: swm.run(converted, given))
    return {"seconds": seconds, "errors": errors, "messages": messages}


_children: list[Outcome] = []  # guarded ones, since the case began


def _busy() -> float:
    """Processor seconds of this process and of its guarded children that are over."""
    times = os.times()
    return times.user + times.system + sum(c.busy for c in _children)


def _peak() -> int:
    """Most bytes in memory since the last reset, of this process."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def _reset() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def main() -> None:
    """Serve cases until the input ends."""
    scratch = Path(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    observers.append(_children.append)
    for line in sys.stdin:
        _children.clear()
        _reset()
        try:
            answer = case(Path(line.rstrip("\n")), scratch, simplify="--simplify" in sys.argv)
        except BaseException as error:
            answer = {
                "exception": f"{type(error).__name__}: {error}"[:300],
                "traceback": traceback.format_exc()[-3000:],
            }
        answer["peak"] = _peak()
        answer["child"] = max((c.peak for c in _children), default=0)
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()

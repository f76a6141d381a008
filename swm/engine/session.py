# SPDX-License-Identifier: Apache-2.0
"""onnxruntime on models from files: each is tried in a child process before it runs in the user's.

onnxruntime checks much, but hostile models still end the process, never end, or ask for all memory. So a part of a
network first opens its session and runs in a child (`swm.guard`), on the very inputs, and only then here. A part is
known by its content, and is tried once for each set of input shapes, up to `_SHAPES` sets: networks with sequences of
any length would pay at every new length, and lengths come from the user, not from the model. What was refused is
refused again without another trial.

Conversion cuts one network into hundreds of parts. A part whose nodes all ran already in tried parts, on inputs as
long, only has its session opened in the child: cut elsewhere, the same kernels see the same shapes, but the optimiser
sees another graph. Inputs without any element are always tried: onnxruntime's recurrent layers abort on some.

Parts made only of the typed nodes in `_HARMLESS` need no trial. Their attributes were read by swm's handlers and
written anew by swm's emitters, and their weights are arrays whose shapes `Graph.verify` compared; no input of them is
an index, a size or a count, so data cannot lead their kernels astray; each result is as large as an input, or as its
rows times the rows of a weight matrix that the file holds. Nothing that can write outside, loop or swell is left. All
others are tried, typed or not: Pad, Expand and Resize make tensors of any size from a few bytes, Gather trusts indices.

Limits grow with the bytes of the model and of its inputs, so that honest large networks stay far below them. The
environment variable SWM_TRUST_MODELS=1 turns trials off.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state

from swm.engine.refusal import reason
from swm.errors import CalibrationError, ModelError, SwmError
from swm.graph import Affine, Linear, LogSoftmax, Node, Relu, Reshape, Sigmoid, Softmax, Tanh
from swm.guard import Outcome, guarded

__all__ = ["ORT_ERRORS", "Session", "before_forks"]

Feeds = Mapping[str, NDArray[Any]]
Call = Callable[[Sequence[str], Feeds, None], list[Any]]
# onnxruntime's own exceptions derive from Exception alone, each on its own; pybind11 adds the usual ones.
ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    TypeError,
    *(e for e in vars(onnxruntime_pybind11_state).values() if isinstance(e, type) and issubclass(e, Exception)),
)
_HARMLESS = (Affine, Linear, LogSoftmax, Relu, Reshape, Sigmoid, Softmax, Tanh)
_SHAPES = 8
_SECONDS, _SECONDS_A_BYTE = 2.0, 10e-6
_MEMORY, _MEMORY_A_BYTE = 5 << 28, 64
_KEPT = 4096  # verdicts
_OPENED, _FAILED = b"opened", b"failed"

# What trials found, by content and input shapes: None if all went well, else the error to raise again.
_verdicts: dict[tuple[bytes, object], SwmError | None] = {}
# Nodes that ran in a trial that went well, and the longest first axis of its inputs.
_ran: WeakKeyDictionary[Node, int] = WeakKeyDictionary()


class Session:
    """One part of a network in onnxruntime, opened at its first run.

    Args:
        write: gives the part as a serialised model; called again for trials with other shapes, not to hold it twice.
        nodes: the nodes in it.
        outputs: tensors to return.
        source: the network's name, for messages.
        threads: to use; by default as many as onnxruntime thinks best.
        alone: whether no kernels of ours run beside it. Otherwise its idle threads sleep, or they would take turns from
            those.
    """

    def __init__(
        self,
        write: Callable[[], bytes],
        nodes: Sequence[Node],
        outputs: Sequence[str],
        source: str,
        *,
        threads: int | None = None,
        alone: bool = False,
    ) -> None:
        """Nothing is opened yet."""
        model = write()
        self._write = write
        self._model: bytes | None = model  # until it is opened
        self._size = len(model)
        self._nodes = tuple(nodes)
        self._outputs = list(outputs)
        self._source = source
        trusted = os.environ.get("SWM_TRUST_MODELS") == "1" or all(type(n) in _HARMLESS for n in nodes)
        self._digest = b"" if trusted else hashlib.blake2b(model, digest_size=16).digest()
        self._options = threads, alone
        self._session: ort.InferenceSession | None = None
        self._call: Call | None = None
        self._tried: set[object] = set()

    @property
    def guarded(self) -> bool:
        """Whether runs with new shapes are tried first."""
        return bool(self._digest)

    def run(self, feeds: Feeds) -> list[Any]:
        """The outputs for some inputs.

        Raises:
            ModelError: onnxruntime refuses the part, or crashes, hangs or swells on it.
            CalibrationError: it refuses these inputs.
        """
        if self._digest:
            self._try(feeds)
        if self._call is None:
            try:
                self._session = _open(self._model or self._write(), *self._options)
            except ORT_ERRORS as error:
                raise self._refused(str(error)) from error
            self._call, self._model = _caller(self._session), None
        try:
            return self._call(self._outputs, feeds, None)
        except ORT_ERRORS as error:
            raise _rejected(str(error)) from error

    def direct(self, outputs: Sequence[str]) -> Callable[[Feeds], list[Any]]:
        """A run without the trial, for inputs of shapes that ran already.

        Args:
            outputs: tensors to return, of those that the session has.

        Raises, when called:
            CalibrationError: onnxruntime refuses these inputs.
        """
        call, outputs = self._call, list(outputs)
        assert call is not None  # they ran

        def run(feeds: Feeds) -> list[Any]:
            try:
                return call(outputs, feeds, None)
            except ORT_ERRORS as error:
                raise _rejected(str(error)) from error

        return run

    def _try(self, feeds: Feeds) -> None:
        """Raise what a trial with these shapes came to, unless all went well."""
        shapes = tuple([(name, _shape(value)) for name, value in feeds.items()])
        if shapes in self._tried or len(self._tried) >= _SHAPES or (self._session and self._ran(feeds)):
            return
        key = (self._digest, shapes)
        if key not in _verdicts:
            while len(_verdicts) >= _KEPT:
                del _verdicts[next(iter(_verdicts))]
            _verdicts[key] = self._verdict(feeds)
        if (error := _verdicts[key]) is not None:
            raise type(error)(*error.args)
        self._tried.add(shapes)

    def _verdict(self, feeds: Feeds) -> SwmError | None:
        size = self._size + sum(_bytes(v) for v in feeds.values())
        seconds, memory = _SECONDS + _SECONDS_A_BYTE * size, _MEMORY + _MEMORY_A_BYTE * size
        tried = None if self._ran(feeds) else dict(feeds)
        outcome = guarded(_trial, self._model or self._write(), self._outputs, tried, seconds=seconds, memory=memory)
        if outcome.data == _OPENED:
            if tried is not None:
                _ran.update((n, max(_ran.get(n, 0), _length(feeds))) for n in self._nodes)
            return None
        if outcome.data is not None:
            return self._orderly(outcome.data)
        shapes = {name: list(_shape(value)[1:]) for name, value in feeds.items()}
        remedy = (
            "the model is damaged, or too large for such inputs: use fewer samples or another model. If you trust it "
            "and it is only slow or large, set SWM_TRUST_MODELS=1"
        )
        if _empty(feeds):
            remedy = "it may not take inputs without any element: give at least one sample of some length"
        return ModelError(
            f"onnxruntime {_what(outcome)} in a trial run of the model {self._source!r} on inputs of {shapes}; {remedy}"
        )

    def _ran(self, feeds: Feeds) -> bool:
        """Whether all nodes ran in trials already, on inputs as long."""
        if _empty(feeds):
            return False
        return all(_ran.get(n, -1) >= _length(feeds) for n in self._nodes)

    def _orderly(self, answer: bytes) -> SwmError:
        where, text = answer.split(b":", 1)
        message = text.decode("utf-8", "replace")
        return self._refused(message) if where == _FAILED else _rejected(message)

    def _refused(self, text: str) -> ModelError:
        return ModelError(
            f"onnxruntime does not accept the model {self._source!r}: {reason(text)}; export it again with operators "
            "and attributes that onnxruntime knows"
        )


def _what(outcome: Outcome) -> str:
    return outcome.fate or f"failed ({_first(outcome.error)})"


def _rejected(text: str) -> CalibrationError:
    return CalibrationError(
        f"onnxruntime could not run the model on these inputs: {reason(text)}; give inputs that the node takes, or "
        "export the model again"
    )


def _first(text: str) -> str:
    return next(iter(text.splitlines()), "no reason given")


def _open(model: bytes, threads: int | None = None, alone: bool = False) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # its warnings about unused initialisers are not the user's concern
    if not alone:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], disabled_optimizers=_INEXACT)


_INEXACT = ["WeightBiasQuantization"]
"""Optimisers that change a model's numbers: this one rounds float weights behind a DequantizeLinear to 8 bits."""


def before_forks() -> None:
    """Open a first session, without threads, where children are forked from: what it sets up takes each 4 ms."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "nothing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _caller(session: ort.InferenceSession) -> Call:
    """`run` of a session without the checks of its Python part, which ours made already: they take a microsecond."""
    inner = getattr(session, "_sess", None)
    return session.run if inner is None else inner.run


def _trial(model: bytes, outputs: list[str], feeds: Feeds | None) -> bytes:
    """What happens in the child: a session opens and, if there are inputs, runs.

    It is the child's own session; one from before the fork would lack its threads.
    """
    try:
        session = _open(model)
    except ORT_ERRORS as error:
        return _FAILED + b":" + str(error).encode("utf-8", "replace")[:4096]
    try:
        if feeds is not None:
            session.run(outputs, feeds)
    except ORT_ERRORS as error:
        return b"rejected:" + str(error).encode("utf-8", "replace")[:4096]
    return _OPENED


def _shape(value: Any) -> tuple[object, ...]:
    """Element type and shape; of a sequence those of its elements."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, *value.shape)
    if isinstance(value, list | tuple):
        return ("sequence", *map(_shape, value))
    return (type(value).__name__,)


def _empty(feeds: Feeds) -> bool:
    return any(isinstance(v, np.ndarray) and not v.size for v in feeds.values())


def _length(feeds: Feeds) -> int:
    return max((len(v) for v in feeds.values() if isinstance(v, np.ndarray) and v.ndim), default=0)


def _bytes(value: Any) -> int:
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return value.nbytes if isinstance(value, np.ndarray) else 0

# SPDX-License-Identifier: Apache-2.0
"""The short way of a run on inputs of shapes that ran before: no checks but those, no plan, no trial.

A small network takes onnxruntime five microseconds, as long as the checks of a first run take Python.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from swm.engine.road import Direct

__all__ = ["Repeats"]

_KEPT = 64  # sets of shapes
_FLOAT = np.dtype(np.float32)
_Spec = tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]


class Repeats:
    """The runs of one graph that can be repeated.

    Args:
        outputs: names of what the runs give, in order.
    """

    def __init__(self, outputs: Sequence[str]) -> None:
        """None yet."""
        self._outputs = tuple(outputs)
        self._by_shape: dict[Hashable, tuple[str, Direct]] = {}
        self._by_name: list[tuple[_Spec, Direct]] = []
        self._until: float | None = None

    def add(self, feeds: Mapping[str, Any], run: Direct, until: float | None = None) -> None:
        """Remember how inputs of these shapes and types ran; what is not a plain array with elements is not kept.

        Args:
            feeds: the inputs.
            run: how they ran.
            until: when all that is remembered is forgotten, in seconds of `time.monotonic`; None for never.
        """
        if not all(type(a) is np.ndarray and a.size and a.dtype.isnative for a in feeds.values()):
            return
        if until is not None:
            self._until = until if self._until is None else min(until, self._until)
        spec = tuple((name, a.shape, a.dtype) for name, a in feeds.items())
        if len(spec) == 1:
            ((name, x),) = feeds.items()
            while len(self._by_shape) >= _KEPT:
                self._by_shape.pop(next(iter(self._by_shape)), None)
            self._by_shape[x.shape if x.dtype == _FLOAT else (x.shape, x.dtype.str)] = name, run
        others = [entry for entry in self._by_name if entry[0] != spec]
        self._by_name = [(spec, run), *others[: _KEPT // 8]]

    def run(self, x: object) -> Any:
        """The first output for an array, all by name for a dict; None if no such inputs ran."""
        if self._until is not None and time.monotonic() >= self._until:
            self._by_shape, self._by_name, self._until = {}, [], None
        if type(x) is np.ndarray:
            found = self._by_shape.get(x.shape if x.dtype is _FLOAT else (x.shape, x.dtype.str))
            return None if found is None else found[1]({found[0]: x})[0]
        if type(x) is dict:
            for spec, run in self._by_name:
                if len(spec) == len(x):
                    for name, shape, kind in spec:
                        a = x.get(name)
                        if type(a) is not np.ndarray or a.dtype is not kind or a.shape != shape:
                            break
                    else:
                        return dict(zip(self._outputs, run(x), strict=True))
        return None

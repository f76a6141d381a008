# SPDX-License-Identifier: Apache-2.0
"""Arrays of a wrong shape: the expression that makes them fit."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

__all__ = ["reshape_advice"]

Dimensions = Sequence[int | str | None]


def reshape_advice(have: Sequence[int], want: Dimensions) -> str:
    """What to do with an array `x` of a shape so that a model takes it; empty where nothing obvious fits.

    Args:
        have: shape of the array.
        want: shape that the model declares; None or a name where any number goes.
    """
    have = tuple(have)
    if len(have) == len(want) and len(have) in (3, 4):
        moved = _layout(have, want)
        if moved:
            return moved
    if _fit((1, *have), want):
        return "this is one sample without the axis of samples: x[None]"
    if len(have) == len(want) - 1 == 3:
        moved = _layout((1, *have), want)
        if moved:
            return f"{moved.replace('x.', 'x[None].')} (and one sample without the axis of samples)"
    rest = [d for d in want[1:] if isinstance(d, int)]
    free = len(want) - 1 - len(rest)
    each, wanted = prod(have[1:]), prod(rest)
    if have and want and each and wanted and not free and each == wanted and have[1:] != tuple(rest):
        return f"a sample has as many values: x.reshape({', '.join(map(str, (-1, *rest)))})"
    if free == 1 and wanted and each and each % wanted == 0 and len(have) != len(want):
        dims = ", ".join(str(d) if isinstance(d, int) else "-1" for d in want[1:])
        return f"a sample has a whole number of such rows: x.reshape(len(x), {dims})"
    if len(have) == 2 and have[1] == wanted + 1 and not free:
        return (
            "a sample has one value too many: if that is its label, cut it off, x[:, 1:] or x[:, :-1], and give labels "
            "by themselves"
        )
    if len(have) == len(want) and _fit(have[::-1], want):
        return "samples belong along axis 0: x.T"
    if len(have) == len(want) and want and isinstance(want[0], int) and want[0] > 1 and _fit(have, (None, *want[1:])):
        return (
            f"the model was exported with a batch of {want[0]}: give a multiple of it"
            + (f", x[:{have[0] // want[0] * want[0]}]" if have[0] > want[0] else "")
            + ", or export it with a dynamic batch"
        )
    if not free and have and wanted and have[0] == wanted and len(have) == 1:
        return f"this is one sample: x.reshape({', '.join(map(str, (1, *rest)))})"
    return ""


def _fit(have: Sequence[int], want: Dimensions) -> bool:
    return len(have) == len(want) and all(
        not isinstance(w, int) or h == w or (axis == 0 and w > 0 and h % w == 0)
        for axis, (h, w) in enumerate(zip(have, want, strict=True))
    )


def _layout(have: Sequence[int], want: Dimensions) -> str:
    """Channels last where the model takes them first, or the other way round."""
    axes, names = {
        4: (((0, 3, 1, 2), (0, 2, 3, 1)), ("NHWC", "NCHW")),
        3: (((0, 2, 1), (0, 2, 1)), ("(samples, steps, channels)", "(samples, channels, steps)")),
    }[len(have)]
    for order, (mine, other) in zip(axes, (names, names[::-1]), strict=True):
        if _fit([have[a] for a in order], want):
            if len(have) == 3:
                return "the last two axes are the other way round: x.transpose(0, 2, 1)"
            return f"this is {mine} where the model takes {other}: x.transpose{order}"
    return ""

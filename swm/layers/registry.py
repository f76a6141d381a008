# SPDX-License-Identifier: Apache-2.0
"""The list of layer kinds. Adding one is one line here, its file, its kernel in hls/ and its template."""

from __future__ import annotations

from swm.errors import OptionError
from swm.layers.add import Add
from swm.layers.base import LayerKind
from swm.layers.circulant import Circulant
from swm.layers.circulant_conv import CirculantConv
from swm.layers.concat import Concat
from swm.layers.conv import Conv
from swm.layers.dense import Dense
from swm.layers.depth_to_space import DepthToSpace
from swm.layers.depthwise import Depthwise
from swm.layers.fork import Fork
from swm.layers.global_pool import GlobalPool
from swm.layers.hadamard import Hadamard
from swm.layers.layernorm import LayerNorm
from swm.layers.matmul import MatMulKind
from swm.layers.offset import Offset
from swm.layers.pad import Pad
from swm.layers.pool import Pool
from swm.layers.prelu import PReluKind
from swm.layers.recurrent import RecurrentKind
from swm.layers.regroup import Regroup
from swm.layers.reorder import Reorder
from swm.layers.reverse import Reverse
from swm.layers.rmsnorm import RmsNorm
from swm.layers.rotary import Rotary
from swm.layers.scale import Scale
from swm.layers.softmax import SoftmaxKind
from swm.layers.upsample import Upsample
from swm.layers.width import Width

__all__ = ["kind", "kinds", "register", "unregister"]

_KINDS: dict[str, LayerKind] = {
    k.name: k
    for k in (
        *(Circulant(), CirculantConv(), Depthwise(), Dense(), Conv(), RecurrentKind()),
        *(Scale(), PReluKind(), LayerNorm(), RmsNorm(), MatMulKind(), SoftmaxKind(), Offset(), Rotary()),
        *(Add(), Hadamard(), Concat(), GlobalPool(), Pool(), Pad(), Upsample(), DepthToSpace(), Reorder()),
        *(Reverse(), Fork(), Width(), Regroup()),
    )
}


def kinds() -> tuple[LayerKind, ...]:
    """Every kind, in the order in which lowering asks them."""
    return tuple(_KINDS.values())


def kind(name: str) -> LayerKind:
    """The kind of a name.

    Raises:
        OptionError: there is none.
    """
    if name not in _KINDS:
        raise OptionError(f"no layer kind {name!r}; there are {', '.join(_KINDS)}")
    return _KINDS[name]


def register(value: LayerKind) -> None:
    """Add a kind, or take the place of the one of the same name."""
    _KINDS[value.name] = value


def unregister(name: str) -> None:
    """Take a kind out again."""
    _KINDS.pop(name, None)

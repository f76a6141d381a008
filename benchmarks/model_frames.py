# SPDX-License-Identifier: Apache-2.0
"""How `swm frame` brings models of other people to samples that hardware takes, by their path."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

import swm
from swm.graph import Graph

__all__ = ["FRAMES", "Frame"]


@dataclass(frozen=True)
class Frame:
    """The options of `swm frame`; see `swm.frame`."""

    sizes: dict[str, int] = field(default_factory=dict)
    batch_axis: int | None = 0
    states: dict[str, str] = field(default_factory=dict)
    steps: int | None = None
    drop: tuple[str, ...] = ()

    def of(self, graph: Graph) -> Graph:
        """The model in this form."""
        return swm.frame(graph, **vars(self))

    @property
    def options(self) -> str:
        """As on the command line."""
        words = [word for name, size in self.sizes.items() for word in ("--size", f"{name}={size}")]
        if self.batch_axis != 0:
            words += ["--batch-axis", "new" if self.batch_axis is None else str(self.batch_axis)]
        words += [word for pair in self.states.items() for word in ("--state", "=".join(pair))]
        words += ["--steps", str(self.steps)] if self.steps else []
        return shlex.join([*words, *(word for name in self.drop for word in ("--drop", name))])


FRAMES = {
    "rnn/ezkl_gru.onnx": Frame(sizes={"batch_size": 20}, batch_axis=None),  # its open axis is time
    "rnn/tract_byte_sb_bidi_lstm.onnx": Frame(sizes={"length": 32}),
    "rnn_unit/burn_gru.onnx": Frame(batch_axis=1),
    "rnn_unit/burn_lstm.onnx": Frame(batch_axis=1),
    "rnn_unit/burn_lstm_bidirectional.onnx": Frame(batch_axis=1, drop=("c_n",)),
    "rnn_unit/burn_rnn.onnx": Frame(batch_axis=1),
    "speech/dtln_model_1.onnx": Frame(states={"input_3": "tf_op_layer_stack_2"}, steps=100),
}

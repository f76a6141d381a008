# SPDX-License-Identifier: Apache-2.0
"""What training lowers, and what is kept of it: the loss beside a dense network and labels, and the score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from swm.graph import ArgMax, Cast, Graph, LogSoftmax, Node, Opaque, Reshape, Softmax

__all__ = ["Objective", "scores_tensor"]


def scores_tensor(graph: Graph) -> str:
    """The tensor that training looks at: the first output, before a Softmax, LogSoftmax or ArgMax that ends there.

    Also before the class numbers that scikit-learn's pipelines look up, where a class is its own number.
    """
    tensor = graph.outputs[0].name
    writers = graph.producers()
    tensor = _class_number(graph, tensor, writers) or tensor
    while isinstance(writers.get(tensor), Softmax | LogSoftmax | ArgMax):
        tensor = writers[tensor].inputs[0]
    return tensor


def _class_number(graph: Graph, tensor: str, writers: Mapping[str, Node]) -> str | None:
    """The ArgMax whose answer a tensor holds in another shape or type; None where there is none."""
    while not isinstance(node := writers.get(tensor), ArgMax):
        if isinstance(node, Cast | Reshape):
            tensor = node.inputs[0]
        elif isinstance(node, Opaque) and node.op_type == "ArrayFeatureExtractor":
            names = graph.constants.get(node.inputs[0])
            if names is None or names.dtype.kind not in "iu" or not np.array_equal(names.ravel(), range(names.size)):
                return None
            tensor = node.inputs[1]
        else:
            return None
    return tensor


@dataclass(frozen=True)
class Objective:
    """The loss of a batch.

    With class scores: `(1 - d) cross entropy + d T^2 KL(dense || tuned)` at temperature T (Hinton et al. 2015), d being
    1 without labels. Else the mean squared error to what the dense network answers, over its mean square.

    Attributes:
        classes: whether the outputs are scores of classes, (samples, classes).
        distillation: d.
        temperature: T.
    """

    classes: bool
    distillation: float
    temperature: float

    def loss(self, scores: Tensor, wanted: Tensor, labels: Tensor | None) -> Tensor:
        """Of a batch: a number.

        Args:
            scores: of the network that learns.
            wanted: of the dense network, of the same shape.
            labels: (samples,) class numbers, or None.
        """
        if not self.classes:
            return (scores - wanted).square().mean() / wanted.square().mean().clamp(min=1e-12)
        d, t = (self.distillation if labels is not None else 1.0), self.temperature
        total = scores.new_zeros(())
        if d > 0:
            soft = torch.log_softmax(wanted / t, dim=1)
            near = functional.kl_div(torch.log_softmax(scores / t, dim=1), soft, reduction="batchmean", log_target=True)
            total = total + d * t * t * near
        if labels is not None and d < 1:
            total = total + (1 - d) * functional.cross_entropy(scores, labels)
        return total

    def score(self, scores: Tensor, wanted: Tensor, labels: Tensor | None) -> float:
        """Of validation samples; more is better.

        The share of right classes, without labels of those that the dense network gives; minus the relative squared
        error where there are no classes.
        """
        if not self.classes:
            return -float((scores - wanted).square().sum() / wanted.square().sum().clamp(min=1e-12))
        truth = wanted.argmax(1) if labels is None else labels
        return float((scores.argmax(1) == truth).to(torch.float64).mean())

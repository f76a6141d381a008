# SPDX-License-Identifier: Apache-2.0
"""What every verification of a project takes: its files, its vectors, its answers against the float reference."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import FixedResult
from swm.accelerator.saturation import Saturation
from swm.answers import classes, names_classes
from swm.emit.advice import Distance, agreement_advice
from swm.emit.folder import MANIFEST
from swm.emit.samples import Samples
from swm.errors import OutputError

__all__ = ["Answers", "answers_of", "check_manifest", "first_difference"]

SHOWN = 3  # places with saturated values


@dataclass(frozen=True)
class Answers:
    """What the fixed-point network answers to a project's vectors, whatever simulates it.

    Attributes:
        samples: vectors run.
        saturated: values that saturated in the integer engine, all layers.
        rounded: the values among which they are.
        saturated_by_place: the same by layer and place, with the range that the values use.
        max_error: largest difference between the float reference and the network's answer in fixed point, host parts
            included; None without reference, or where the answers are class numbers.
        mean_error: mean difference.
        relative_error: norm of the difference over that of the reference.
        top1_agreement: fraction of samples with the same largest output, or class number, as the reference; None
            without reference or where the network has one output only.
        accuracy: fraction of samples whose largest output is the label, None without labels.
        reference_accuracy: the same of the reference.
        advice: what to do where the answers differ much from the reference's; empty where they do not.
    """

    samples: int
    saturated: int
    rounded: int
    saturated_by_place: dict[str, Saturation]
    max_error: float | None
    mean_error: float | None
    relative_error: float | None
    top1_agreement: float | None
    accuracy: float | None
    reference_accuracy: float | None
    advice: tuple[str, ...]

    @property
    def answers(self) -> list[str]:
        """The comparison with the float reference, in sentences."""
        lines = []
        if self.max_error is not None and self.mean_error is not None and self.relative_error is not None:
            line = (
                f"against onnxruntime on the float model: mean error {self.mean_error:.3g}, largest"
                f" {self.max_error:.3g}, {100 * self.relative_error:.2f} % of the norm"
            )
            if self.top1_agreement is not None:
                line += f", top-1 agreement {100 * self.top1_agreement:.2f} %"
            lines.append(line)
        elif self.top1_agreement is not None:
            lines.append(
                f"against onnxruntime on the float model: the same class number {100 * self.top1_agreement:.2f} %"
            )
        lines += [f"saturated at {place}: {found}" for place, found in self._worst]
        if self.accuracy is not None:
            line = f"accuracy on {self.samples} labelled samples: fixed point {100 * self.accuracy:.2f} %"
            if self.reference_accuracy is not None:
                line += f", float model {100 * self.reference_accuracy:.2f} %"
            lines.append(line + " (measured)")
        return lines

    @property
    def _worst(self) -> list[tuple[str, Saturation]]:
        """The places with the largest shares of saturated values."""
        cut = [(place, found) for place, found in self.saturated_by_place.items() if found.count]
        return sorted(cut, key=lambda item: -item[1].share)[:SHOWN]


def check_manifest(path: Path) -> None:
    """See that a folder is a whole project.

    Raises:
        OutputError: it is none, or files are missing.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        missing = [name for name in manifest["sha256"] if not (path / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{str(path)!r} is not a project of swm (no readable {MANIFEST}); run swm emit first"
        ) from error
    if missing:
        raise OutputError(f"{str(path)!r} lacks {', '.join(missing)}; emit the project again")


def first_difference(
    different: NDArray[np.intp], words: NDArray[np.int64], expected: NDArray[np.int64], what: str
) -> str:
    """Where the first difference of two (samples, words) arrays lies; `what` wrote the one that is judged."""
    if not len(different):
        return ""
    sample, word = map(int, different[0])
    return f"sample {sample}, word {word}: {what} {words[sample, word]}, integer engine {expected[sample, word]}"


def answers_of(samples: Samples, expected: FixedResult, graph: FixedGraph) -> dict[str, Any]:
    """The members of `Answers`: of the integer engine's outputs, against what the project is checked with."""
    answers = samples.answers(graph, expected.values)
    return {
        "samples": len(samples.inputs),
        "saturated": sum(found.count for found in expected.ranges.values()),
        "rounded": sum(found.values for found in expected.ranges.values()),
        "saturated_by_place": expected.ranges,
        **_accuracy(answers, samples),
        "advice": _advice(answers, samples, expected, graph),
    }


def _accuracy(answers: NDArray[Any] | None, samples: Samples) -> dict[str, float | None]:
    """The whole network, host parts included, against the float reference and the labels."""
    found: dict[str, float | None] = dict.fromkeys(
        ("max_error", "mean_error", "relative_error", "top1_agreement", "accuracy", "reference_accuracy")
    )
    if answers is None:
        return found
    reference, labels = samples.reference, samples.labels
    if reference is not None:
        reference = reference.reshape(answers.shape)
        distance = _distance(answers, reference)
        found["top1_agreement"] = distance.agreement
        if distance.error is not None:
            error = np.abs(answers - reference)
            found["max_error"], found["mean_error"] = float(error.max()), float(error.mean())
            found["relative_error"] = distance.error
    top = classes(answers)
    if labels is not None and top.shape == labels.shape:  # an answer at every position has no one class
        found["accuracy"] = float(np.mean(top == labels))
        if reference is not None:
            found["reference_accuracy"] = float(np.mean(classes(reference) == labels))
    return found


def _advice(
    answers: NDArray[Any] | None, samples: Samples, expected: FixedResult, graph: FixedGraph
) -> tuple[str, ...]:
    if answers is None or samples.reference is None:
        return ()
    own = None if samples.own is None else _distance(answers, samples.own)
    reference = _distance(answers, samples.reference)
    tensors = {f"{layer.spec.name}.output": layer.output for layer in graph.layers} | {
        graph.input_name: graph.input_name
    }
    calibrated = {place: graph.saturated[t] for place, t in tensors.items() if t in graph.saturated}
    return tuple(agreement_advice(reference, own, graph.bits, expected.ranges, calibrated))


def _distance(answers: NDArray[Any], reference: NDArray[Any]) -> Distance:
    reference = reference.reshape(answers.shape)
    if names_classes(answers):
        return Distance(float(np.mean(answers == reference)), None)
    norm = max(float(np.linalg.norm(reference)), 1e-30)
    agreement = float(np.mean(classes(answers) == classes(reference))) if answers.shape[-1] > 1 else None
    return Distance(agreement, float(np.linalg.norm(answers - reference)) / norm)

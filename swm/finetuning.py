# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning: a network converted, trained in its structure beside the dense one, and measured as what it then is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from swm import compress
from swm.api import convert, quantize, run
from swm.compress import Blocks, ConversionReport, TestAccuracy, accuracy
from swm.compress.budget import parse_budget
from swm.compress.dynamic_batch import free_batch
from swm.compress.evaluation import check_labels, evaluate
from swm.compress.hold_out import split
from swm.compress.record import retrained, sample_hashes
from swm.engine.unknown import require_known
from swm.errors import CalibrationError, OptionError, UnsupportedModel
from swm.graph import Graph, is_structured
from swm.layers.formats import check_bits
from swm.notebook import html
from swm.progress import Progress, told
from swm.structure import BlockCirculant, WeightStructure
from swm.validation import Array, Inputs, feeds, require_graph

if TYPE_CHECKING:
    from swm.torch.training import Augment, Samples

__all__ = ["FineTuned", "Refined", "Scores", "finetune"]

CALIBRATION = 8192  # training samples at most that the start is fitted to
REFINED = ".refined"  # behind the name of a checkpoint: that of the second training
FORMATS = 2000  # training samples at most that number formats of the fixed-point figure are chosen by


@dataclass(frozen=True)
class Scores:
    """What a network reaches on the validation samples; None: not measured.

    Attributes:
        before: accuracy of the teacher: the network that was given, or `teacher`.
        one_shot: of the network that training started from.
        after: of the trained network, in float.
        after_fixed: of the trained network in fixed point, by the integer engine, where it has a hardware form.
        agreement: share of samples whose largest output is the teacher's, after training.
        relative_error: norm of the difference of the outputs over that of the teacher's, after training.
        samples: how many were measured on.
        origin: "given", or "held out" of the data.
    """

    before: float | None
    one_shot: float | None
    after: float | None
    after_fixed: float | None
    agreement: float | None
    relative_error: float | None
    samples: int
    origin: str


@dataclass(frozen=True)
class Refined:
    """Sizes chosen again after training, within the same budget.

    Attributes:
        before: size of each weight that moved, by name; 0: dense.
        after: the same afterwards.
        scores: on the validation samples, of the best epoch before and after the move.
    """

    before: dict[str, int]
    after: dict[str, int]
    scores: tuple[float, float]

    @property
    def kept(self) -> bool:
        """Whether the outcome has the sizes of `after`."""
        return self.scores[1] > self.scores[0]

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {**asdict(self), "kept": self.kept}


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned network.

    Attributes:
        graph: with the weights of the best epoch; what `accuracy.after` was measured with.
        start: the network that training started from: converted one-shot, or structured as it came.
        accuracy: on the validation samples, by which the best epoch was chosen.
        conversion: report of the conversion before training; None where the network was structured already.
        epochs: that were trained.
        best_epoch: from which the weights are; 0: the start. Epochs count on after sizes moved (`refined`).
        history: (mean loss, validation score) of each epoch; the score is that of training, `bits` rounded.
        seconds: of the whole call.
        bits: weights and activations were rounded to while training; None: not.
        samples: trained on.
        seed: of the training.
        notes: what the user should know.
        refined: sizes that moved after the first training; None where that was not asked for, or no move promised to
            gain.
    """

    graph: Graph
    start: Graph
    accuracy: Scores
    conversion: ConversionReport | None
    epochs: int
    best_epoch: int
    history: tuple[tuple[float, float], ...]
    seconds: float
    bits: int | None
    samples: int
    seed: int
    notes: tuple[str, ...] = ()
    refined: Refined | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "accuracy": asdict(self.accuracy),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "bits": self.bits,
            "samples": self.samples,
            "seed": self.seed,
            "history": [{"loss": loss, "score": score} for loss, score in self.history],
            "notes": list(self.notes),
            "refined": None if self.refined is None else self.refined.to_json(),
            "conversion": None if self.conversion is None else self.conversion.to_json(),
        }

    def __repr__(self) -> str:
        return f"<FineTuned {self.graph.name!r}: {'; '.join(self._parts())}>"

    def _parts(self) -> list[str]:
        found = self.accuracy
        parts = [f"{self.epochs} epochs, best {self.best_epoch}, {self.seconds:.0f} s"]
        shown = (("before", found.before), ("one-shot", found.one_shot), ("after", found.after))
        figures = [f"{name} {100 * value:.2f} %" for name, value in shown if value is not None]
        if figures:
            parts.append(f"accuracy {', '.join(figures)} of {found.samples:,} validation samples")
        return parts

    def _repr_html_(self) -> str:
        rows = ((str(i + 1), f"{loss:.4f}", f"{score:.4f}") for i, (loss, score) in enumerate(self.history))
        return html(self, ("epoch", "loss", "validation"), rows)


def finetune(
    graph: Graph,
    data: Inputs,
    labels: NDArray[np.integer] | None = None,
    *,
    teacher: Graph | None = None,
    validation: Inputs | None = None,
    validation_labels: NDArray[np.integer] | None = None,
    block: Blocks | None = None,
    budget: int | str | None = None,
    structure: type[WeightStructure] = BlockCirculant,
    bits: int | None = None,
    epochs: int = 5,
    batch: int = 128,
    rate: float = 1e-3,
    decay: float = 0.0,
    distillation: float = 0.5,
    temperature: float = 2.0,
    patience: int = 0,
    seed: int = 0,
    refine: bool = False,
    augment: Augment | None = None,
    device: str | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Progress | bool | None = None,
) -> FineTuned:
    """Convert a network and train it in its structure, with a network as its teacher. Needs torch.

    The start is the data-aware fit of `swm.convert`. Adam, one cycle of the learning rate; after each epoch the
    validation samples are scored, and the weights of the best epoch are what comes out. Same machine, same number of
    threads, same seed: same weights.

    Args:
        graph: a float graph, dense or structured already.
        data: inputs to train on, samples along axis 0.
        labels: (samples,) class numbers; without them the network learns from its teacher's answers alone.
        teacher: whose answers it learns and is compared with; the given network without one. A network that is
            structured already has lost some of what the dense one knew: give that one. Same inputs and outputs.
        validation: inputs to choose the best epoch by; without them every fifth sample or so of the data, at most
            2,000, is held out. Figures on them are slightly favourable: measure the outcome on samples of their own.
        validation_labels: their class numbers.
        block: as for `swm.convert`.
        budget: as for `swm.convert`. With neither, the network must have structured weights already.
        structure: as for `swm.convert`: a structure of few bits or signs is trained with its rounding.
        bits: round weights (of circulant blocks: spectra) and activations to so many bits while training, 4 to 18.
        epochs: at most.
        batch: samples a step.
        rate: peak of the learning rate.
        decay: of weights, decoupled from the gradient.
        distillation: share of the teacher's answers in the loss beside labels, 0 to 1.
        temperature: of these.
        patience: epochs without a better score after which training ends; 0: never.
        seed: of everything that is drawn.
        refine: with a budget: after training, measure by short trainings what other sizes would cost each weight, move
            sizes within the budget where that gains, and train as long again. The outcome is taken where its score on
            the validation samples is better. See `swm.torch.refine`.
        augment: called as augment(batch, generator) with tensors by input name and a torch.Generator; gives a batch to
            train on instead.
        device: of torch, like "cpu" or "cuda"; by default a GPU if torch sees one.
        checkpoint: file in which the state is kept after each epoch, for `resume`; remove it once the outcome is saved.
            With `refine` that of the second training is beside it, `.refined` behind its name.
        resume: go on from that file.
        progress: called as progress(what, steps done, steps); True shows it on standard error.

    Raises:
        ToolError: torch is not installed.
        UnsupportedModel: nodes without gradients, or operators that nobody knows; all are named.
        OptionError: impossible options, a teacher with other inputs or outputs, or a checkpoint of another run.
        CalibrationError: samples or labels that do not fit.
        OutputError: the checkpoint cannot be written.
    """
    from swm.torch.checkpoint import opened
    from swm.torch.refine import moved
    from swm.torch.training import Settings, Training  # torch takes seconds to import, and may be missing

    started = time.perf_counter()
    settings = Settings(epochs, batch, rate, decay, bits, distillation, temperature, patience, seed)
    settings.check()
    if bits is not None:
        check_bits(bits)
    if resume and checkpoint is None:
        raise OptionError("nothing to resume from: give the checkpoint file")
    if refine and budget is None:
        raise OptionError("refining moves sizes within a budget: give one, like --budget 4x, in place of block sizes")
    require_known(require_graph(graph))
    wise = graph if teacher is None else _teacher(teacher, graph)
    train, unseen, origin = _samples(graph, data, labels, validation, validation_labels)
    file = None if checkpoint is None else Path(checkpoint)
    if resume and file is not None:
        opened(file, asdict(settings))  # what is wrong with it is told before the minutes of a conversion
    with told(progress) as say:
        start, report = _start(graph, train, unseen, (block, budget, structure), say)
        dense = free_batch(compress.prepared(wise), train.feeds)
        training = Training(dense, free_batch(start, train.feeds), train, unseen, settings, augment, device)
        if resume and file is not None:
            training.resume(file)
        training.run(say, file)
        history, best, refined, stays = list(training.epochs), training.best[1], None, False
        if refine and budget is not None and report is not None:
            few = {t: a[:CALIBRATION] for t, a in train.feeds.items()}
            within = parse_budget(budget, report.bits_before)
            sizes = moved(training, graph, report, within, structure, few, say)
            stays = not sizes.names
            if not stays:
                other, figures = _start(graph, train, unseen, (sizes.blocks, None, structure), say)
                second = training.another(free_batch(other, train.feeds), settings)
                state = None if file is None else file.with_name(f"{file.name}{REFINED}")
                if resume and state is not None and state.exists():
                    second.resume(state)
                second.run(say, state)
                before, after = ({name: side[name] for name in sizes.names} for side in (sizes.before, sizes.after))
                refined = Refined(before, after, (training.best[0], second.best[0]))
                if refined.kept:
                    training, start, report, best = second, other, figures, len(history) + second.best[1]
                history += second.epochs
        say("measure", 0, 1)
        tuned = replace(training.best_graph(), inputs=graph.inputs)
        found, judged, notes = _measured(wise, start, tuned, train, unseen, origin, bits)
        seen = (*sample_hashes(feeds(graph, data)), *sample_hashes(unseen.feeds))
        if stays:
            notes.append("no other sizes within the budget promised a lower loss, so all stayed as they were")
        final = retrained(tuned, f"fine-tuned {len(history)} epochs", len(train), seen, judged)
    return FineTuned(
        graph=final,
        start=replace(start, inputs=graph.inputs),
        accuracy=found,
        conversion=report,
        epochs=len(history),
        best_epoch=best,
        history=tuple((e.loss, e.score) for e in history),
        seconds=time.perf_counter() - started,
        bits=bits,
        samples=len(train),
        seed=seed,
        notes=tuple(notes),
        refined=refined,
    )


def _teacher(teacher: Graph, graph: Graph) -> Graph:
    """The teacher, if it reads and answers what the network does."""
    require_known(require_graph(teacher))
    for what, own, wanted in (("inputs", teacher.inputs, graph.inputs), ("outputs", teacher.outputs, graph.outputs)):
        theirs, ours = ([v.name for v in values] for values in (own, wanted))
        if theirs != ours:
            raise OptionError(f"the teacher's {what} are {theirs}, those of the network {ours}: give one of the same")
    return teacher


def _samples(
    graph: Graph,
    data: Inputs,
    labels: NDArray[np.integer] | None,
    validation: Inputs | None,
    validation_labels: NDArray[np.integer] | None,
) -> tuple[Samples, Samples, str]:
    """What to train on, what to choose by, and where the latter is from."""
    from swm.torch.training import Samples

    given = _equal_lengths(feeds(graph, data), "data")
    _check(labels, given, "labels", "data")
    if validation_labels is not None and validation is None:
        raise CalibrationError("validation labels were given without validation inputs; give both")
    if validation is not None:
        unseen = _equal_lengths(feeds(graph, validation), "validation")
        _check(validation_labels, unseen, "validation labels", "validation inputs")
        if (labels is None) != (validation_labels is None):
            missing = "validation labels" if validation_labels is None else "labels of the data"
            raise CalibrationError(f"{missing} are missing; give labels for data and validation, or for neither")
        return Samples(given, labels), Samples(unseen, validation_labels), "given"
    out, why = split(graph, given, labelled=labels is not None)
    if out is None:
        raise CalibrationError(f"no samples can be held out to choose the best epoch by: {why}; give validation inputs")
    parts = [
        Samples({t: a[rows] for t, a in given.items()}, None if labels is None else labels[rows])
        for rows in (~out, out)
    ]
    return parts[0], parts[1], "held out"


def _equal_lengths(given: dict[str, Array], what: str) -> dict[str, Array]:
    lengths = {name: len(a) if a.ndim else 0 for name, a in given.items()}
    if len(set(lengths.values())) != 1:
        raise CalibrationError(f"{what}: inputs differ in their number of samples: {lengths}")
    return given


def _check(labels: NDArray[np.integer] | None, given: Mapping[str, Array], name: str, what: str) -> None:
    if labels is None:
        return
    count = len(next(iter(given.values())))
    if labels.ndim != 1 or len(labels) != count:
        raise CalibrationError(f"{name} must be one class number for each of {count} {what}, got shape {labels.shape}")
    check_labels(labels, count)


def _start(
    graph: Graph,
    train: Samples,
    unseen: Samples,
    wanted: tuple[Blocks | None, int | str | None, type[WeightStructure]],
    say: Progress,
) -> tuple[Graph, ConversionReport | None]:
    """The network that training starts from: converted now, or structured as it came."""
    block, budget, structure = wanted
    if block is None and budget is None:
        if not any(map(is_structured, graph.nodes)):
            raise OptionError(
                "the network is dense: give a block size, like --block 8, or a budget, like --budget 4x; a network "
                "with structured weights needs neither"
            )
        return compress.prepared(graph), None
    few = {t: a[:CALIBRATION] for t, a in train.feeds.items()}
    made = convert(
        graph,
        block=block,
        budget=budget,
        structure=structure,
        calibration=few,
        test=unseen.feeds,
        hold_out=False,
        progress=say,
    )
    return made.graph, made.report


def _measured(
    graph: Graph,
    start: Graph,
    tuned: Graph,
    train: Samples,
    unseen: Samples,
    origin: str,
    bits: int | None,
) -> tuple[Scores, TestAccuracy, list[str]]:
    """Figures of the given network, the start and the outcome on the validation samples."""
    samples = "given" if origin == "given" else "held out"
    first = evaluate(graph, start, unseen.feeds, unseen.labels, samples)
    last = evaluate(graph, tuned, unseen.feeds, unseen.labels, samples)
    fixed, notes = None, []
    if bits is not None and unseen.labels is not None:
        try:
            few = {t: a[:FORMATS] for t, a in train.feeds.items()}
            words = run(quantize(tuned, bits=bits, calibration=few), dict(unseen.feeds))
            fixed = accuracy(words[graph.outputs[0].name], unseen.labels)
        except UnsupportedModel:
            notes.append("the network has no hardware form as a whole, so only its float figures were measured")
    found = Scores(
        last.dense, first.test, last.test, fixed, last.agreement, last.relative_error, last.test_samples, origin
    )
    return found, last, notes

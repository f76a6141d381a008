# SPDX-License-Identifier: Apache-2.0
"""The training loop: one cycle of the learning rate, a checkpoint an epoch, the best epoch kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swm.compress.evaluation import check_labels
from swm.errors import OptionError
from swm.graph import Graph
from swm.progress import Progress
from swm.torch.attach import parameter_groups, refresh_formats
from swm.torch.checkpoint import opened, write
from swm.torch.network import Network
from swm.torch.objective import Objective, scores_tensor

__all__ = ["Augment", "Epoch", "Samples", "Settings", "Training"]

Array = NDArray[Any]
Augment = Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]
FORMAT_SAMPLES = 1024  # by which the binary points of activations are chosen
CLIP = 5.0  # norm of the gradients; recurrent networks need some bound
WARM = 0.25  # of the steps, in which the rate rises
_VERSION = 2  # of checkpoints


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: at most.
        batch: samples a step.
        rate: peak of the learning rate, of Adam.
        decay: of weights, decoupled.
        bits: of weights and activations while training; None: float.
        distillation: share of the dense network in the loss, 0 to 1, where there are labels.
        temperature: of the distillation.
        patience: epochs without a better score after which training ends; 0: never.
        seed: of the order of samples, and of augmentation.
    """

    epochs: int = 5
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.0
    bits: int | None = None
    distillation: float = 0.5
    temperature: float = 2.0
    patience: int = 0
    seed: int = 0

    def check(self) -> None:
        """Raise OptionError for what cannot be."""
        wrong = [
            f"{name} must be {what}, got {getattr(self, name)!r}"
            for name, what, right in (
                ("epochs", "1 or more", self.epochs >= 1),
                ("batch", "1 or more", self.batch >= 1),
                ("rate", "above 0", self.rate > 0),
                ("decay", "0 or more", self.decay >= 0),
                ("distillation", "from 0 to 1", 0 <= self.distillation <= 1),
                ("temperature", "above 0", self.temperature > 0),
                ("patience", "0 or more", self.patience >= 0),
                ("seed", "0 or more", self.seed >= 0),
            )
            if not right
        ]
        if wrong:
            raise OptionError("; ".join(wrong))


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs by name, samples along axis 0, and class numbers if there are any."""

    feeds: Mapping[str, Array]
    labels: NDArray[np.integer] | None

    def __len__(self) -> int:
        return len(next(iter(self.feeds.values())))

    def every(self, part: int, at_least: int) -> Samples:
        """One sample in so many, evenly; more where that would be fewer than asked for."""
        step = max(1, min(part, len(self) // at_least))
        return Samples(
            {t: a[::step] for t, a in self.feeds.items()}, None if self.labels is None else self.labels[::step]
        )

    def digest(self) -> str:
        """SHA-256 of all of it."""
        found = hashlib.sha256()
        for name in sorted(self.feeds):
            found.update(name.encode() + np.ascontiguousarray(self.feeds[name]).tobytes())
        found.update(b"" if self.labels is None else np.ascontiguousarray(self.labels).tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Epoch:
    """One epoch: mean loss of its batches, and the score of the validation samples behind it."""

    loss: float
    score: float


def one_cycle(step: int, total: int) -> float:
    """Share of the peak rate at a step of so many: up along a cosine from 1/25 in a quarter of them, then down to 0."""
    warm = WARM * total
    if step < warm:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * step / warm)) / 2
    return (1 + math.cos(math.pi * (step - warm) / max(total - warm, 1))) / 2


class Training:
    """A structured network that learns from samples and from the dense network.

    Args:
        dense: the network to learn from.
        start: the structured network.
        train: what it learns from.
        validation: what the best epoch is chosen by.
        settings: see there.
        augment: changes a batch of inputs before either network sees it.
        device: of torch; None: a GPU if there is one.

    Raises:
        UnsupportedModel: nodes without gradients, by name.
        OptionError: impossible settings, or nothing to learn.
    """

    def __init__(
        self,
        dense: Graph,
        start: Graph,
        train: Samples,
        validation: Samples,
        settings: Settings,
        augment: Augment | None = None,
        device: str | None = None,
    ) -> None:
        """Build both networks and what the dense one answers."""
        settings.check()
        self.settings, self._augment, self._teacher = settings, augment, dense
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._train, self._validation = train, validation
        with self._repeatable():
            self.network = Network(start, scores_tensor(start), settings.bits).to(self.device)
            self._dense = Network(dense, scores_tensor(dense)).to(self.device).eval()
            for parameter in self._dense.parameters():
                parameter.requires_grad_(False)
            if not any(p.requires_grad for p in self.network.parameters()):
                raise OptionError(f"{start.source or start.name!r} has no weights that could be trained")
            few = self._feeds(train, slice(0, min(FORMAT_SAMPLES, len(train))))
            self.network.choose_formats(few)
            self._wanted = None if augment is not None else self._answers(self._dense, train)
            self._wanted_validation = self._answers(self._dense, validation)
        classes = self._wanted_validation.ndim == 2 and self._wanted_validation.shape[1] >= 2
        if not classes and train.labels is not None:
            shape = tuple(self._wanted_validation.shape[1:])
            raise OptionError(f"labels were given, but the network gives no scores of classes: {shape} a sample")
        for samples in (train, validation):
            if samples.labels is not None:
                check_labels(samples.labels, len(samples), self._wanted_validation.shape[1])
        self._objective = Objective(classes, settings.distillation, settings.temperature)
        self.identity = self._identity(dense, start)
        self.epochs: list[Epoch] = []
        self.best = (-float("inf"), -1)  # score, epoch
        self._best_state: dict[str, Tensor] = {}
        self._prepare()

    @property
    def samples(self) -> int:
        """How many are trained on."""
        return len(self._train)

    def another(self, start: Graph, settings: Settings, *, part: int = 1) -> Training:
        """A training of another network from the same teacher, on one sample in `part` of the same ones."""
        few = self._train if part == 1 else self._train.every(part, at_least=settings.batch)
        device = str(self.device)
        return Training(self._teacher, start, few, self._validation, settings, self._augment, device)

    def _identity(self, dense: Graph, start: Graph) -> str:
        """By which a checkpoint is known to be of the same run."""
        what = [_VERSION, dense.sha256, [n.name for n in start.nodes], asdict(self.settings)]
        what += [self._train.digest(), self._validation.digest(), self._augment is not None]
        what += [[list(p.shape) for p in self.network.parameters()]]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def _prepare(self) -> None:
        """The optimiser, its schedule and the source of chance."""
        s = self.settings
        self._steps = -(-len(self._train) // s.batch)
        groups = parameter_groups(self.network, s.rate, weight_decay=s.decay, adaptive=True)
        self._optimiser = torch.optim.AdamW(groups, lr=s.rate)
        total = self._steps * s.epochs
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: one_cycle(step, total))
        self._chance = torch.Generator().manual_seed(s.seed)

    @contextlib.contextmanager
    def _repeatable(self) -> Iterator[None]:
        """Only algorithms that give the same twice, and torch's own chance seeded; all as it was afterwards.

        Numbers below 1.2e-38 count as 0: weights that decay left there make a processor's products ten times slower.
        """
        before, state = torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state()
        flushed = bool(torch.tensor([1e-40]) * 0.5 == 0)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.manual_seed(self.settings.seed)
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed)
            torch.use_deterministic_algorithms(before)
            torch.random.set_rng_state(state)

    def run(self, progress: Progress, checkpoint: Path | None = None) -> None:
        """Train to the end, or until nothing gets better.

        Args:
            progress: called at each step with loss and score so far.
            checkpoint: file to keep the state in after each epoch.

        Raises:
            OutputError: the checkpoint cannot be written.
        """
        with self._repeatable():
            if not self.epochs:  # an epoch of no training: the start may be the best
                self._keep_best(self._score())
            while len(self.epochs) < self.settings.epochs and not self._exhausted:
                loss = self._epoch(progress)
                score = self._score()
                self.epochs.append(Epoch(loss, score))
                self._keep_best(score)
                if checkpoint is not None:
                    self._save(checkpoint)

    @property
    def _exhausted(self) -> bool:
        patience = self.settings.patience
        return patience > 0 and len(self.epochs) - self.best[1] >= patience

    def _keep_best(self, score: float) -> None:
        if score > self.best[0]:
            self.best = (score, len(self.epochs))
            self._best_state = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def best_graph(self) -> Graph:
        """The network of the best epoch."""
        now = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self._best_state)
        found = self.network.to_graph()
        self.network.load_state_dict(now)
        return found

    def _epoch(self, progress: Progress) -> float:
        self.network.train()
        total, seen, done, all_steps = 0.0, 0, len(self.epochs) * self._steps, self.settings.epochs * self._steps
        refresh_formats(self.network)
        for number, rows in enumerate(
            torch.randperm(len(self._train), generator=self._chance).split(self.settings.batch)
        ):
            loss = self._step(rows)
            total, seen = total + loss * len(rows), seen + len(rows)
            score = f", best validation {self._shown(self.best[0])}" if self.best[1] >= 0 else ""
            what = f"epoch {len(self.epochs) + 1} of {self.settings.epochs}, loss {total / seen:.4f}{score}"
            progress(what, done + number, all_steps)
        return total / max(seen, 1)

    def _shown(self, score: float) -> str:
        return f"{100 * score:.2f} %" if self._objective.classes else f"error {-score:.3g}"

    def _step(self, rows: Tensor) -> float:
        feeds = self._feeds(self._train, rows.numpy())
        if self._augment is not None:
            feeds = self._augment(feeds, self._chance)
        if self._wanted is None:
            with torch.no_grad():
                wanted = self._dense(feeds)
        else:
            wanted = self._wanted[rows].to(self.device)
        labels = None
        if self._train.labels is not None:
            labels = torch.from_numpy(self._train.labels[rows.numpy()].astype(np.int64)).to(self.device)
        self._optimiser.zero_grad()
        loss = self._objective.loss(self.network(feeds), wanted, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self._optimiser.step()
        self._schedule.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise OptionError(
                f"the loss is {value} in epoch {len(self.epochs) + 1}; try a lower rate, like --rate 5e-4"
            )
        return value

    def _feeds(self, samples: Samples, rows: Any) -> dict[str, Tensor]:
        return {t: torch.from_numpy(np.ascontiguousarray(a[rows])).to(self.device) for t, a in samples.feeds.items()}

    @torch.no_grad()
    def _answers(self, network: Network, samples: Samples) -> Tensor:
        step = max(self.settings.batch, 256)
        parts = [network(self._feeds(samples, slice(i, i + step))).cpu() for i in range(0, len(samples), step)]
        found = torch.cat(parts) if parts[0].ndim else parts[0]
        if not found.ndim or len(found) != len(samples):
            raise OptionError(
                f"training needs samples along axis 0, but of {len(samples)} samples {network.output!r} has shape "
                f"{tuple(found.shape)}"
            )
        return found

    def _score(self) -> float:
        return self._objective.score(*self._judged())

    def validation_loss(self) -> float:
        """Loss of the validation samples, of the network as it is now."""
        with self._repeatable():
            return float(self._objective.loss(*self._judged()))

    def _judged(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """What the network and the dense one answer to the validation samples, and their labels."""
        self.network.eval()
        refresh_formats(self.network)
        scores = self._answers(self.network, self._validation)
        labels = self._validation.labels
        return scores, self._wanted_validation, None if labels is None else torch.from_numpy(labels.astype(np.int64))

    def _save(self, path: Path) -> None:
        state = {
            "identity": self.identity,
            "settings": asdict(self.settings),
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "chance": self._chance.get_state(),
            "epochs": [(e.loss, e.score) for e in self.epochs],
            "best": self.best,
            "best_state": self._best_state,
        }
        write(path, state)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written.

        Raises:
            OptionError: there is none, it is no checkpoint, or it is of another run.
        """
        state = opened(path, asdict(self.settings), self.device)
        if state["identity"] != self.identity:
            raise OptionError(
                f"the checkpoint {str(path)!r} is of another run: model, data or options differ; remove it, or run "
                "without --resume"
            )
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._chance.set_state(state["chance"].cpu())
        self.epochs = [Epoch(*pair) for pair in state["epochs"]]
        self.best, self._best_state = tuple(state["best"]), state["best_state"]

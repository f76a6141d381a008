# SPDX-License-Identifier: Apache-2.0
"""Runs mutated models in supervised workers, judges what they did, keeps the models that violate, and adds up."""

import hashlib
import json
import queue
import re
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

from tests.fuzzing.mutations import mutated

__all__ = ["Totals", "run"]

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("-m", "tests.fuzzing.worker")
HANG = 5.0  # seconds that a stage may take, of the clock or of the processor, whichever is less
HANG_SIMPLIFY = 15.0  # the same for simplification, which is several guarded calls one after the other
MEMORY = 2 << 30  # bytes of a process
_PATIENCE = 60.0  # seconds after which a worker is ended and counts as a hang whatever its stage
_BATCH = 500  # examples that hypothesis makes from one seed


@dataclass
class Totals:
    """What became of all models."""

    models: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0
    slowest_stage: str = ""
    peak: int = 0
    child: int = 0
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        return {
            "models": self.models,
            "outcomes": dict(self.outcomes.most_common()),
            "violations": self.violations,
            "slowest stage": {"seconds": round(self.slowest, 2), "of": self.slowest_stage},
            "peak memory MiB": {"worker": self.peak >> 20, "guarded child": self.child >> 20},
            "seconds": round(self.seconds, 1),
            "trial verdicts": dict(self.refusals.most_common()),
        }


class _Worker:
    """One process that takes cases, started again after each death."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self.folder = folder
        self.options = options
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "weights.bin").write_bytes(bytes(4096))
        (self.folder / "link").symlink_to("/etc/hostname")
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, data: bytes) -> dict[str, Any]:
        path = self.folder / "model.onnx"
        path.write_bytes(data)
        if self.process is None:
            command = [sys.executable, *COMMAND, str(self.folder), *self.options]
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(f"{path}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return self._dead()
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(_PATIENCE):
                self.close()
                return {"hang": _PATIENCE}
        line = self.process.stdout.readline()
        return json.loads(line) if line else self._dead()

    def _dead(self) -> dict[str, Any]:
        assert self.process is not None
        status = self.process.wait()
        self.close()
        return {"crash": f"signal {-status}" if status < 0 else f"exit status {status}"}

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def run(
    seeds: Sequence[tuple[str, bytes]],
    models: int,
    *,
    seed: int,
    jobs: int,
    keep: Path,
    simplify: bool = False,
    progress: Callable[[Totals], None] | None = None,
) -> Totals:
    """Try so many different mutated models.

    Args:
        seeds: names and bytes of the models to start from.
        models: how many.
        seed: of all chance.
        jobs: worker processes.
        keep: folder for models that violate a limit.
        simplify: whether to simplify each model too, which is slow.
        progress: called with the totals so far, every now and then.
    """
    totals, lock, start = Totals(), threading.Lock(), time.monotonic()
    todo: queue.Queue[tuple[str, bytes] | None] = queue.Queue(maxsize=4 * jobs)

    def serve(place: Path) -> None:
        worker = _Worker(place, ["--simplify"] if simplify else [])
        while (item := todo.get()) is not None:
            answer = worker.ask(item[1])
            with lock:
                _count(totals, *item, answer, keep)
                totals.seconds = time.monotonic() - start
                if progress is not None and totals.models % 100 == 0:
                    progress(totals)
        worker.close()

    with tempfile.TemporaryDirectory() as scratch:
        threads = [threading.Thread(target=serve, args=(Path(scratch) / str(i),), daemon=True) for i in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            _generate(seeds, models, seed, todo.put)
        except KeyboardInterrupt:
            pass  # the totals so far are worth having
        finally:
            for _ in threads:
                todo.put(None)
            for thread in threads:
                thread.join()
    return totals


def _generate(
    seeds: Sequence[tuple[str, bytes]], models: int, seed: int, put: Callable[[tuple[str, bytes]], None]
) -> None:
    """Hypothesis makes the models in batches, each from a seed of its own; equal ones are tried once."""
    seen: set[bytes] = set()
    batch = 0
    while len(seen) < models:

        @hypothesis_seed(seed * 1_000_003 + batch)
        @settings(
            max_examples=min(_BATCH, models),
            database=None,
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(mutated(seeds))
        def examine(item: tuple[str, bytes]) -> None:
            key = hashlib.blake2b(item[1], digest_size=12).digest()
            if key not in seen and len(seen) < models:
                seen.add(key)
                put(item)

        examine()
        batch += 1


def _count(totals: Totals, name: str, data: bytes, answer: dict[str, Any], keep: Path) -> None:
    totals.models += 1
    wrong = _wrong(answer)
    if wrong:
        place = keep / f"{hashlib.blake2b(data, digest_size=6).hexdigest()}.onnx"
        keep.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.with_suffix(".json").write_text(json.dumps({"case": name, "wrong": wrong} | answer, indent=1))
        totals.violations.append({"case": name, "wrong": wrong, "model": str(place)})
        totals.outcomes[f"violation: {wrong.split(':')[0]}"] += 1
    else:
        errors = answer["errors"]
        first = next(iter(errors.items()), None)
        totals.outcomes["ok" if first is None else f"{first[1]} in {first[0]}"] += 1
        for message in answer["messages"].values():
            if found := re.search(
                r"onnxruntime (crashed \(\w+\)|crashed|did not end|took more than|failed)|converter (\w+)", message
            ):
                totals.refusals[found[0]] += 1
                break
    for stage, seconds in answer.get("seconds", {}).items():
        if seconds > totals.slowest:
            totals.slowest, totals.slowest_stage = seconds, f"{stage} of {name}"
    totals.peak = max(totals.peak, answer.get("peak", 0))
    totals.child = max(totals.child, answer.get("child", 0))


def _wrong(answer: dict[str, Any]) -> str:
    if "crash" in answer:
        return f"crash: {answer['crash']}"
    if "hang" in answer:
        return f"hang: {answer['hang']} s"
    if "exception" in answer:
        return f"exception: {answer['exception']}"
    late = {
        stage: round(s, 1)
        for stage, s in answer["seconds"].items()
        if s > (HANG_SIMPLIFY if stage == "simplify" else HANG)
    }
    if late:
        return f"hang: {late}"
    if max(answer["peak"], answer["child"]) > MEMORY:
        return f"memory: {answer['peak'] >> 20} MiB, in a guarded child {answer['child'] >> 20} MiB"
    return ""

# SPDX-License-Identifier: Apache-2.0
"""What every driver of this project shares: floats to the hardware's integers, these to bytes, and back. numpy only.

A driver is a `Network` with a method `words` that takes integers to the hardware and brings its answers. Where a
project has a folder `host`, the host's parts of the network run before and after it, which takes onnxruntime, too.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np


class Network:
    """A network whose hardware reads and writes integers.

    Args:
        settings: what swm wrote beside the driver: `input` and `output` say how values become words and bytes.
        project: the folder of the project.
    """

    def __init__(self, settings: dict, project: Path) -> None:
        """Keep both."""
        self.settings, self.project = settings, project

    def words(self, words: np.ndarray) -> np.ndarray:
        """(samples, values) integers that the hardware reads → (samples, values) integers that it writes, int64."""
        raise NotImplementedError

    def infer(self, x: np.ndarray) -> np.ndarray:
        """Outputs (samples, ...) of the network for inputs (samples, ...), in float.

        Raises:
            ValueError: a sample has not the values that the network reads, or they are not finite.
        """
        if self.settings["host"]:
            return self._with_host(x)
        form, x, count = self.settings["input"], np.asarray(x, np.float64), self.settings["sequences"]
        values = form["values"] // count  # a frame holds as many samples as sequences take turns
        if x.ndim < 1 or x[:1].size not in (0, values):
            raise ValueError(
                f"samples of {x[:1].size} values, the network reads {values};"
                f" axis 0 of the array of shape {x.shape} is the samples"
            )
        if not np.isfinite(x).all():
            raise ValueError("inputs hold NaN or infinity")
        most = 1 << (form["bits"] - 1)
        words = np.clip(np.floor(x.reshape(-1, values) * 2.0 ** form["frac"] + 0.5), -most, most - 1)
        if form["channels_last"]:  # the hardware reads position after position
            words = words.reshape(-1, *form["channels_last"]).swapaxes(1, 2)
        if count > 1:  # token after token of all sequences; the last frame is filled with the last one again
            words = words.reshape(len(words), -1)
            words = np.concatenate([words, words[-1:].repeat(-len(words) % count, axis=0)])
            each, parts, at = words.reshape(-1, count, values), [], 0
            for tokens, size in form["turns"]:
                part = each[:, :, at : at + tokens * size].reshape(-1, count, tokens, size)
                parts.append(part.swapaxes(1, 2).reshape(len(each), -1))
                at += tokens * size
            words = np.concatenate(parts, axis=1)
        form, words = self.settings["output"], self.words(words)
        if count > 1:
            parts, at = [], 0
            for tokens, size in form["turns"]:
                part = words[:, at : at + count * tokens * size].reshape(-1, tokens, count, size)
                parts.append(part.swapaxes(1, 2).reshape(len(words), count, -1))
                at += count * tokens * size
            words = np.concatenate(parts, axis=2).reshape(len(words) * count, -1)[: len(x)]
        if form["channels_last"]:
            words = words.reshape(-1, *form["channels_last"][::-1]).swapaxes(1, 2)
        return (words / 2.0 ** form["frac"]).astype(np.float32).reshape(-1, *form["shape"])

    def pack(self, words: np.ndarray) -> np.ndarray:
        """(samples, values) integers → (samples, bytes of a frame), uint8.

        Each integer in its container, little end first; the places of a token beyond its channels are zeros.
        """
        form = self.settings["input"]
        words = np.asarray(words).astype(np.int64).reshape(-1, form["tokens"], form["channels"])
        places = np.zeros((len(words), form["tokens"], form["places"]), f"<i{form['container'] // 8}")
        places[:, :, : form["channels"]] = words
        return places.reshape(len(words), form["tokens"] * form["places"]).view(np.uint8)

    def unpack(self, frames: np.ndarray) -> np.ndarray:
        """(samples, bytes of a frame), uint8 → (samples, values) integers, int64."""
        form = self.settings["output"]
        places = np.ascontiguousarray(frames).view(f"<i{form['container'] // 8}")
        places = places.reshape(-1, form["tokens"], form["places"])
        return places[:, :, : form["channels"]].astype(np.int64).reshape(-1, form["values"])

    def frame_bytes(self, end: str) -> int:
        """Bytes of a frame at the "input" or the "output"."""
        form = self.settings[end]
        return form["tokens"] * form["places"] * form["container"] // 8

    def self_test(self, frames: int | None = None) -> tuple[int, str]:
        """Send the project's own vectors; words that differ from what swm expects, and a line that says so."""
        folder = next(self.project / name for name in ("tb", "sim") if (self.project / name / "input.dat").is_file())
        given, expected = (np.loadtxt(folder / n, np.int64, ndmin=2)[:frames] for n in ("input.dat", "expected.dat"))
        start = time.perf_counter()
        found = self.words(given)
        seconds = time.perf_counter() - start
        wrong = int(np.count_nonzero(found != expected))
        return (
            wrong,
            f"{len(given)} frames, {found.size} words, {wrong} differ; {len(given) / seconds:.1f} frames a second",
        )

    def _with_host(self, x: np.ndarray) -> np.ndarray:
        place = importlib.util.spec_from_file_location("swm_host", self.project / "host" / "host.py")
        module = importlib.util.module_from_spec(place)
        place.loader.exec_module(module)
        host = module.Host()
        words, tensors = host.before(x)
        outputs = host.after(self.words(words), tensors)
        return outputs[host.settings["outputs"][0]]

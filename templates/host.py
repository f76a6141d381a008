# SPDX-License-Identifier: Apache-2.0
"""What the host computes around the accelerator: numpy and onnxruntime, settings in host.json.

    host = Host()
    words, tensors = host.before(x)          # x: an array, or arrays by input name; samples along axis 0
    answer = accelerator(words)              # (frames, values) integers in, (frames, values) integers out
    outputs = host.after(answer, tensors)    # the network's outputs by name

A frame is a sample, or token after token of as many sequences as take turns ("sequences" in host.json; "turns" says of
how many values: states of all of them, where a caller gives these, then step after step).

`python host.py inputs.npy words.npy` writes the words that the accelerator reads, `python host.py inputs.npy
answer.npy outputs.npz` the network's outputs for what it wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent


class Host:
    """The host's parts of the network.

    Args:
        folder: where host.json and the models lie.
    """

    def __init__(self, folder: Path = HERE) -> None:
        """Open the models."""
        self.settings = json.loads((folder / "host.json").read_text(encoding="utf-8"))
        files = {part: self.settings[part] for part in ("before", "after") if self.settings[part]}
        providers = ["CPUExecutionProvider"]
        self.sessions = {
            part: onnxruntime.InferenceSession(str(folder / file), providers=providers) for part, file in files.items()
        }

    def before(self, inputs: np.ndarray | dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Inputs of the network → (frames, values) integers for the accelerator, and the float tensors so far."""
        if not isinstance(inputs, dict):
            inputs = {self.settings["inputs"][0]: inputs}
        tensors = {**inputs, **self._run("before", inputs)}
        form = self.settings["to_hardware"]
        values = np.asarray(tensors[form["tensor"]], np.float64)
        if form["channels_last"]:  # an image: (samples, channels, positions) passes position after position
            values = values.reshape(len(values), *form["channels_last"]).swapaxes(1, 2)
        values = values.reshape(len(values), form["values"])
        most = 1 << (form["bits"] - 1)
        words = np.floor(values * 2.0 ** form["frac"] + 0.5)  # nearest, half rounds up
        words = np.clip(words, -most, most - 1).astype(np.int32)
        count = self.settings["sequences"]
        if count > 1:  # the last frame is filled with the last sample again
            words = np.concatenate([words, words[-1:].repeat(-len(words) % count, axis=0)])
            each, parts, at = words.reshape(-1, count, form["values"]), [], 0
            for tokens, size in form["turns"]:
                part = each[:, :, at : at + tokens * size].reshape(-1, count, tokens, size)
                parts.append(part.swapaxes(1, 2).reshape(len(each), -1))
                at += tokens * size
            words = np.concatenate(parts, axis=1)
        return words, tensors

    def after(self, words: np.ndarray, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """(frames, values) integers of the accelerator, and `tensors` from `before` → the network's outputs."""
        form, count = self.settings["from_hardware"], self.settings["sequences"]
        if count > 1:
            words, parts, at = np.asarray(words), [], 0
            for tokens, size in form["turns"]:
                part = words[:, at : at + count * tokens * size].reshape(-1, tokens, count, size)
                parts.append(part.swapaxes(1, 2).reshape(len(words), count, -1))
                at += count * tokens * size
            words = np.concatenate(parts, axis=2).reshape(len(words) * count, -1)
            words = words[: len(tensors[self.settings["to_hardware"]["tensor"]])]
        values = (np.asarray(words, np.int64) / 2.0 ** form["frac"]).astype(np.float32)
        if form["channels_last"]:
            values = values.reshape(len(values), *form["channels_last"][::-1]).swapaxes(1, 2)
        tensors = {**tensors, form["tensor"]: values.reshape(-1, *form["shape"])}
        tensors.update(self._run("after", tensors))
        return {name: tensors[name] for name in self.settings["outputs"]}

    def _run(self, part: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run a model, batch by batch where it was exported with a fixed one."""
        if part not in self.sessions:
            return {}
        session = self.sessions[part]
        given = {value.name: tensors[value.name] for value in session.get_inputs()}
        names = [value.name for value in session.get_outputs()]
        first = session.get_inputs()[0]
        count = len(given[first.name])
        batch = first.shape[0] if isinstance(first.shape[0], int) else max(count, 1)
        parts = [
            session.run(names, {name: value[start : start + batch] for name, value in given.items()})
            for start in range(0, count, batch)
        ]
        # Samples may lie behind the steps of a sequence: the axis of as many as a batch has.
        axes = [next((axis for axis, size in enumerate(array.shape) if size == batch), 0) for array in parts[0]]
        return {name: np.concatenate([found[i] for found in parts], axes[i]) for i, name in enumerate(names)}


def main(arguments: list[str]) -> None:
    """Words for the accelerator, or outputs for what it wrote."""
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    host, loaded = Host(), np.load(arguments[0])
    words, tensors = host.before(loaded if isinstance(loaded, np.ndarray) else dict(loaded))
    if len(arguments) == 2:
        np.save(arguments[1], words)
    else:
        np.savez(arguments[2], **host.after(np.load(arguments[1]), tensors))


if __name__ == "__main__":
    main(sys.argv[1:])

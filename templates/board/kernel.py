# SPDX-License-Identifier: Apache-2.0
"""Runs the network of this project on a card, through XRT (pyxrt, which comes with it).

    from kernel import Kernel

    kernel = Kernel()                   # loads ../measured/swm.xclbin into card 0
    y = kernel.infer(x)                 # x: (samples, ...) floats → (samples, ...) floats

`python kernel.py` sends the project's own vectors and compares every word. Settings lie in board.json. Where weights
lie in UltraRAM, they are sent with the first call.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pyxrt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from swm_network import Network  # noqa: E402

TO_DEVICE = pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
FROM_DEVICE = pyxrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
IN, OUT, SEEN, WEIGHTS = 0, 1, 2, 4  # places of the buffers among the kernel's arguments
SEEN_BYTES = 4096  # a buffer object takes whole pages
LOADED = {0: "kept", 1: "loaded", 2: "too short", 3: "too long"}


class KernelError(RuntimeError):
    """The kernel ended badly, or saw other frames than were sent."""


class Kernel(Network):
    """A card that holds the network of this project.

    Args:
        xclbin: what v++ linked.
        device: number of the card.
        batch: frames of one call, at most; the buffers hold so many.
        folder: where board.json lies.
        project: the folder of the project; default the one above `folder`.

    Raises:
        ValueError: a batch that is not positive.
    """

    def __init__(
        self,
        xclbin: str | Path | None = None,
        *,
        device: int = 0,
        batch: int = 4096,
        folder: Path = HERE,
        project: Path | None = None,
    ) -> None:
        """Load the kernel and take the buffers."""
        settings = json.loads((folder / "board.json").read_text(encoding="utf-8"))
        super().__init__(settings, project or folder.parent)
        if batch < 1:
            raise ValueError("batch must be positive")
        self.batch = batch
        self.device = pyxrt.device(device)
        file = pyxrt.xclbin(str(xclbin or self.project / "measured" / "swm.xclbin"))
        self.kernel = pyxrt.kernel(self.device, self.device.load_xclbin(file), "swm_kernel")
        self._sent = self._buffer(batch * self.frame_bytes("input"), IN)
        self._got = self._buffer(batch * self.frame_bytes("output"), OUT)
        self._seen = self._buffer(SEEN_BYTES, SEEN)
        self._load = bool(settings["weights"])
        self._weights = self._read_weights() if self._load else None

    def words(self, words: np.ndarray) -> np.ndarray:
        """(samples, values) integers that the hardware reads → (samples, values) integers that it writes, int64.

        Raises:
            KernelError: the kernel did not end well, or saw other frames than were sent.
        """
        frames = self.pack(words)
        answers = np.zeros((len(frames), self.frame_bytes("output")), np.uint8)
        for start in range(0, len(frames), self.batch):
            some = frames[start : start + self.batch]
            answers[start : start + len(some)] = self._call(some)
        return self.unpack(answers)

    def _call(self, frames: np.ndarray) -> np.ndarray:
        count = len(frames)
        self._sent.write(np.ascontiguousarray(frames).reshape(-1), 0)
        self._sent.sync(TO_DEVICE, frames.nbytes, 0)
        extra = (self._weights, int(self._load)) if self._weights is not None else ()
        run = self.kernel(self._sent, self._got, self._seen, count, *extra)
        state = run.wait()
        if state != pyxrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            raise KernelError(f"the kernel ended in state {state}")
        self._check(count)
        size = count * self.frame_bytes("output")
        self._got.sync(FROM_DEVICE, size, 0)
        return np.frombuffer(self._got.read(size, 0), np.uint8).reshape(count, -1)

    def _check(self, count: int) -> None:
        self._seen.sync(FROM_DEVICE, SEEN_BYTES, 0)
        taken, short, long, *rest = np.frombuffer(self._seen.read(16, 0), "<u4").tolist()
        if (taken, short, long) != (count, 0, 0):
            raise KernelError(f"{count} frames were sent, the kernel saw {taken}, {short} too short, {long} too long")
        if self._load and rest[0] != 1:
            raise KernelError(f"weights.bin: {LOADED.get(rest[0], rest[0])}; is it of this project?")
        self._load = False

    def _buffer(self, size: int, argument: int) -> pyxrt.bo:
        return pyxrt.bo(self.device, size, pyxrt.bo.normal, self.kernel.group_id(argument))

    def _read_weights(self) -> pyxrt.bo:
        data = np.fromfile(self.project / "weights.bin", np.uint8)
        buffer = self._buffer(data.nbytes, WEIGHTS)
        buffer.write(data, 0)
        buffer.sync(TO_DEVICE, data.nbytes, 0)
        return buffer


def main(arguments: list[str]) -> int:
    """Self test, or outputs for inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="?", help="samples, .npy; default: compare the project's vectors")
    parser.add_argument("outputs", nargs="?", help="where to write the outputs, .npy")
    parser.add_argument("--xclbin", help="default ../measured/swm.xclbin")
    parser.add_argument("--device", type=int, default=0, help="number of the card; default 0")
    given = parser.parse_args(arguments)
    if given.inputs and not given.outputs:
        parser.error("say where to write the outputs")
    try:
        kernel = Kernel(given.xclbin, device=given.device)
        if given.inputs:
            np.save(given.outputs, kernel.infer(np.load(given.inputs)))
            return 0
        wrong, line = kernel.self_test()
    except (KernelError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

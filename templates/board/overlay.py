# SPDX-License-Identifier: Apache-2.0
"""Runs the network of this project on a PYNQ board (PYNQ 2.7 or later), through the DMA of its bitstream.

    from overlay import Overlay

    overlay = Overlay()                 # loads ../measured/swm.bit
    y = overlay.infer(x)                # x: (samples, ...) floats → (samples, ...) floats

`python overlay.py` sends the project's own vectors and compares every word. Settings lie in board.json. Where weights
lie in UltraRAM, they are sent with the first frames.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pynq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from swm_network import Network  # noqa: E402

CONTROL, START, IDLE = 0x00, 0x01, 0x04  # the control register of an HLS core
LOADED = {0: "kept", 1: "loaded", 2: "too short", 3: "too long"}
MOST_BYTES = (1 << 26) - 1  # of a transfer: c_sg_length_width of the DMA is 26


class OverlayError(RuntimeError):
    """The bitstream is of another project, or the accelerator does not answer."""


class Overlay(Network):
    """A board that holds the network of this project.

    Args:
        bitfile: swm.bit, with swm.hwh beside it.
        batch: frames of one transfer, at most; the buffers hold so many.
        timeout: seconds that a transfer may take.
        folder: where board.json lies.
        project: the folder of the project; default the one above `folder`.

    Raises:
        OverlayError: the bitstream has not the parts of this project, or does not take the weights.
        ValueError: a batch that is not positive.
    """

    def __init__(
        self,
        bitfile: str | Path | None = None,
        *,
        batch: int = 256,
        timeout: float = 10.0,
        folder: Path = HERE,
        project: Path | None = None,
    ) -> None:
        """Load the bitstream and take the buffers."""
        settings = json.loads((folder / "board.json").read_text(encoding="utf-8"))
        super().__init__(settings, project or folder.parent)
        if batch < 1 or timeout <= 0:
            raise ValueError("batch and timeout must be positive")
        longest = max(self.frame_bytes("input"), self.frame_bytes("output"))
        self.batch, self.timeout = max(1, min(batch, MOST_BYTES // longest)), timeout
        self.overlay = pynq.Overlay(str(bitfile or self.project / "measured" / "swm.bit"))
        needed = ["dma", "swm_top"] if settings["control"] else ["dma"]
        missing = [name for name in needed if not hasattr(self.overlay, name)]
        if missing:
            raise OverlayError(f"the bitstream has no {' and no '.join(missing)}: it is not of this project")
        self.dma = self.overlay.dma
        self._sent = pynq.allocate((self.batch, self.frame_bytes("input")), np.uint8)
        self._got = pynq.allocate((self.batch, self.frame_bytes("output")), np.uint8)
        self._weights = self._read_weights() if settings["weights"] else None

    def close(self) -> None:
        """Give the buffers back."""
        for buffer in (self._sent, self._got):
            buffer.freebuffer()

    def __enter__(self) -> Overlay:
        """Nothing: the bitstream is loaded."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the buffers back."""
        self.close()

    def words(self, words: np.ndarray) -> np.ndarray:
        """(samples, values) integers that the hardware reads → (samples, values) integers that it writes, int64.

        Raises:
            OverlayError: the accelerator does not answer in time.
        """
        frames = self.pack(words)
        answers = np.zeros((len(frames), self.frame_bytes("output")), np.uint8)
        for start in range(0, len(frames), self.batch):
            some = frames[start : start + self.batch]
            answers[start : start + len(some)] = self._transfer(some)
        return self.unpack(answers)

    def _transfer(self, frames: np.ndarray) -> np.ndarray:
        """One transfer: every frame of it, and its answers."""
        count = len(frames)
        self._sent[:count] = frames
        sender, receiver = self.dma.sendchannel, self.dma.recvchannel
        receiver.transfer(self._got, nbytes=count * self.frame_bytes("output"))
        sender.transfer(self._sent, nbytes=count * self.frame_bytes("input"))
        weights, self._weights = self._weights, None
        if weights is not None:
            self.overlay.weights_dma.sendchannel.transfer(weights, nbytes=weights.nbytes)
        self._start(count, weights is not None)
        self._wait(sender, f"{count} frames were not taken")
        self._wait(receiver, f"{count} answers did not come")
        self._finish(weights)
        return np.array(self._got[:count])

    def _start(self, count: int, load: bool) -> None:
        """Tell a core with registers how many frames come; one without takes them as they come."""
        if not self.settings["control"]:
            return
        core = self.overlay.swm_top
        core.write(self._register("frames"), count)
        if self.settings["weights"]:
            core.write(self._register("load"), int(load))
        core.write(CONTROL, START)

    def _finish(self, weights: np.ndarray | None) -> None:
        if not self.settings["control"]:
            return
        until = time.monotonic() + self.timeout
        while not self.overlay.swm_top.read(CONTROL) & IDLE:
            if time.monotonic() > until:
                raise OverlayError("the accelerator does not come to rest; load the bitstream anew")
        if weights is not None:
            state = self.overlay.swm_top.read(self._register("loaded"))
            weights.freebuffer()
            if state != 1:
                raise OverlayError(f"weights.bin: {LOADED.get(state, state)}; is it of this project?")

    def _wait(self, channel: object, what: str) -> None:
        """As the channel's own wait, which has no end."""
        until = time.monotonic() + self.timeout
        while not channel.idle:
            if time.monotonic() > until:
                raise OverlayError(f"{what} within {self.timeout:g} s: is the bitstream that of this project?")
        channel.wait()

    def _register(self, name: str) -> int:
        registers = self.overlay.ip_dict["swm_top"]["registers"]
        if name not in registers:
            raise OverlayError(f"the core has no register {name!r}: swm.hwh is not of this project")
        return registers[name]["address_offset"]

    def _read_weights(self) -> np.ndarray:
        data = np.fromfile(self.project / "weights.bin", np.uint8)
        buffer = pynq.allocate(data.shape, np.uint8)
        buffer[:] = data
        return buffer


def main(arguments: list[str]) -> int:
    """Self test, or outputs for inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="?", help="samples, .npy; default: compare the project's vectors")
    parser.add_argument("outputs", nargs="?", help="where to write the outputs, .npy")
    parser.add_argument("--bitfile", help="default ../measured/swm.bit")
    parser.add_argument("--batch", type=int, default=256, help="frames of one transfer, at most; default 256")
    given = parser.parse_args(arguments)
    if given.inputs and not given.outputs:
        parser.error("say where to write the outputs")
    try:
        with Overlay(given.bitfile, batch=given.batch) as overlay:
            if given.inputs:
                np.save(given.outputs, overlay.infer(np.load(given.inputs)))
                return 0
            wrong, line = overlay.self_test()
            print(line)
            return 1 if wrong else 0
    except (OverlayError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

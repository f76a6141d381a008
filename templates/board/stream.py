# SPDX-License-Identifier: Apache-2.0
"""Runs the network of this project on a card behind PCIe, through AMD's driver of its DMA (Xilinx/dma_ip_drivers).

    from stream import Stream

    with Stream() as stream:            # /dev/xdma0_h2c_0 and /dev/xdma0_c2h_0
        y = stream.infer(x)             # x: (samples, ...) floats → (samples, ...) floats

The card holds measured/swm.bit (by JTAG, then a rescan of the bus), the kernel module `xdma` is loaded. `python
stream.py` sends the project's own vectors and compares every word. Settings lie in board.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from math import gcd
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from swm_network import Network  # noqa: E402

MOST_BYTES = 1 << 26  # of a transfer


class StreamError(RuntimeError):
    """The card does not answer, or its driver reports an error."""


class Stream(Network):
    """A card that holds the network of this project.

    Args:
        to_card: device file of the stream to the card.
        from_card: device file of the stream from it.
        batch: frames of one transfer, at most.
        timeout: seconds that a transfer may take.
        folder: where board.json lies.
        project: the folder of the project; default the one above `folder`.

    Raises:
        OSError: a device file is not there, or not for you.
        ValueError: a batch or a time that is not positive.
    """

    def __init__(
        self,
        to_card: str | Path = "/dev/xdma0_h2c_0",
        from_card: str | Path = "/dev/xdma0_c2h_0",
        *,
        batch: int = 1024,
        timeout: float = 10.0,
        folder: Path = HERE,
        project: Path | None = None,
    ) -> None:
        """Open both streams."""
        settings = json.loads((folder / "board.json").read_text(encoding="utf-8"))
        super().__init__(settings, project or folder.parent)
        if batch < 1 or timeout <= 0:
            raise ValueError("batch and timeout must be positive")
        # Whole words of the DMA on both sides: a transfer is filled up with frames of zeros.
        word = settings["dma_bytes"]
        steps = [word // gcd(word, self.frame_bytes(end)) for end in ("input", "output")]
        self.step = max(steps)  # powers of two
        longest = max(self.frame_bytes("input"), self.frame_bytes("output"))
        self.batch, self.timeout = max(1, min(batch, MOST_BYTES // longest)), timeout
        self._to = os.open(to_card, os.O_WRONLY)
        try:
            self._from = os.open(from_card, os.O_RDONLY)
        except OSError:
            os.close(self._to)
            raise

    def close(self) -> None:
        """Close both streams."""
        for number in (self._to, self._from):
            os.close(number)

    def __enter__(self) -> Stream:
        """Nothing: the streams are open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close both streams."""
        self.close()

    def words(self, words: np.ndarray) -> np.ndarray:
        """(samples, values) integers that the hardware reads → (samples, values) integers that it writes, int64.

        Raises:
            StreamError: the card does not answer in time.
        """
        frames = self.pack(words)
        answers = np.zeros((len(frames), self.frame_bytes("output")), np.uint8)
        for start in range(0, len(frames), self.batch):
            some = frames[start : start + self.batch]
            answers[start : start + len(some)] = self._transfer(some)
        return self.unpack(answers)

    def _transfer(self, frames: np.ndarray) -> np.ndarray:
        """One transfer: every frame of it, and its answers, which come while it is under way."""
        count = -(-len(frames) // self.step) * self.step
        sent = np.zeros((count, frames.shape[1]), np.uint8)
        sent[: len(frames)] = frames
        got = bytearray(count * self.frame_bytes("output"))
        faults: list[str] = []
        jobs = [
            threading.Thread(target=self._all, args=(lambda part: os.write(self._to, part), sent.tobytes(), faults)),
            threading.Thread(target=self._all, args=(lambda part: os.readv(self._from, [part]), got, faults)),
        ]
        for job in jobs:
            job.daemon = True  # a card that never answers does not keep the program
            job.start()
        for job, what in zip(jobs, ("frames were not taken", "answers did not come"), strict=True):
            job.join(self.timeout)
            if faults or job.is_alive():
                raise StreamError(faults[0] if faults else f"{count} {what} within {self.timeout:g} s")
        return np.frombuffer(got, np.uint8).reshape(count, -1)[: len(frames)]

    def _all(self, move: object, data: object, faults: list) -> None:
        """Move all bytes; what goes wrong is noted."""
        rest = memoryview(data)
        try:
            while rest:
                moved = move(rest)
                if not moved:
                    faults.append(f"the stream ended {len(rest)} bytes early")
                    return
                rest = rest[moved:]
        except OSError as error:
            faults.append(f"the card's driver: {error}")


def main(arguments: list[str]) -> int:
    """Self test, or outputs for inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="?", help="samples, .npy; default: compare the project's vectors")
    parser.add_argument("outputs", nargs="?", help="where to write the outputs, .npy")
    parser.add_argument("--device", default="/dev/xdma0", help="of the driver, less the ends; default /dev/xdma0")
    given = parser.parse_args(arguments)
    if given.inputs and not given.outputs:
        parser.error("say where to write the outputs")
    try:
        with Stream(f"{given.device}_h2c_0", f"{given.device}_c2h_0") as stream:
            if given.inputs:
                np.save(given.outputs, stream.infer(np.load(given.inputs)))
                return 0
            wrong, line = stream.self_test()
    except (StreamError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

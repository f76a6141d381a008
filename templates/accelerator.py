# SPDX-License-Identifier: Apache-2.0
"""Runs a network on a board over its serial line: numpy and pyserial, settings in link.json.

    with Accelerator("/dev/ttyUSB0") as accelerator:
        y = accelerator.infer(x)        # x: (samples, ...) floats → (samples, ...) floats

`python accelerator.py PORT` sends the project's own vectors and compares every word; `python accelerator.py PORT x.npy
y.npy` writes the outputs for x.npy. The protocol stands in swm's docs/link.md. Where a project has a folder `host`, the
host's parts of the network run before and after the board, which takes onnxruntime, too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections import Counter, deque
from pathlib import Path

import numpy as np
import serial

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from swm_network import Network  # noqa: E402

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20  # as RFC 1662 has them
IDENTIFY, INFER = 0x00, 0x01
IDENTITY, ANSWER, OVERRUN = 0x80, 0x81, 0xE5
REASONS = {
    0xE1: "the CRC was wrong",
    0xE2: "the frame was too short",
    0xE3: "the frame was too long",
    0xE4: "the frame broke off",
    OVERRUN: "the accelerator was not ready for the frame",
    0xE6: "the command was not known",
    0xE7: "a byte had no stop bit",
}
READ_S = 0.02  # the longest that one call of read waits


class LinkError(RuntimeError):
    """The board does not answer, holds something else, or the line is bad."""


class Accelerator(Network):
    """A board that holds the network of this project.

    Args:
        port: serial port, such as /dev/ttyUSB0 or COM4.
        baud: bits a second; default that of the board's top.
        timeout: seconds that an answer may take beside the time of its bytes on the wire.
        retries: how often one frame is sent again before LinkError.
        window: frames that are sent before the first of them is answered.
        folder: where link.json lies.

    Attributes:
        resent: how often frames were sent again since the start, by reason.

    Raises:
        LinkError: the port cannot be opened, nothing answers there, or the board holds another design.
    """

    def __init__(
        self,
        port: str,
        *,
        baud: int | None = None,
        timeout: float = 1.0,
        retries: int = 5,
        window: int = 2,
        folder: Path = HERE,
    ) -> None:
        """Open the port and ask the board what it holds."""
        if timeout <= 0 or retries < 0 or not 1 <= window <= 8:
            raise ValueError("timeout must be positive, retries not negative, window 1 to 8")
        super().__init__(json.loads((folder / "link.json").read_text(encoding="utf-8")), folder.parent)
        self.name, self.baud = port, baud or self.settings["baud"]
        self.timeout, self.retries, self.window = timeout, retries, window
        self.resent: Counter[str] = Counter()
        self._sequence = 0
        self._incoming = bytearray()
        try:
            self.port = serial.Serial(port, self.baud, timeout=READ_S, write_timeout=10)
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkError(f"cannot open {port}: {error}") from error
        try:
            self._check_identity()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Accelerator:
        """Nothing: the port is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the port."""
        self.close()

    def close(self) -> None:
        """Close the port."""
        self.port.close()

    def words(self, words: np.ndarray) -> np.ndarray:
        """(samples, values) integers that the hardware reads → (samples, values) integers that it writes, int64.

        Raises:
            LinkError: a frame is not answered however often it is sent, or the port is gone.
        """
        answers = self._exchange(INFER, [frame.tobytes() for frame in self.pack(words)], ANSWER)
        size = self.frame_bytes("output")
        for answer in answers:
            if len(answer) != size:
                raise LinkError(f"an answer of {len(answer)} bytes, {size} expected: link.json is of another design")
        return self.unpack(np.frombuffer(b"".join(answers), np.uint8).reshape(-1, size))

    def _check_identity(self) -> None:
        found = self._exchange(IDENTIFY, [b""], IDENTITY)[0].hex()
        expected = self.settings["identity"]
        if found[:2] != expected[:2]:
            raise LinkError(f"the board speaks protocol {found[:2]}, this driver {expected[:2]}: emit and build anew")
        if found != expected:
            raise LinkError(
                f"the board on {self.name} holds design {found[2:]}, this project is {expected[2:]}: load the bitstream"
                " that was built from this project"
            )

    def _exchange(self, command: int, payloads: list[bytes], wanted: int) -> list[bytes]:
        """The payload of the answer to each frame; frames that are lost or refused are sent again."""
        answers: dict[int, bytes] = {}
        tries: Counter[int] = Counter()
        waiting = deque(range(len(payloads)))
        sent: dict[int, tuple[int, float]] = {}  # frame and the time by which it must be answered, by sequence number
        window = self.window
        try:
            while len(answers) < len(payloads):
                while waiting and len(sent) < window:
                    frame = waiting.popleft()
                    self._sequence = (self._sequence + 1) % 256
                    wire = _frame(command, self._sequence, payloads[frame])
                    self.port.write(wire)
                    sent[self._sequence] = frame, time.monotonic() + self._patience(len(wire) * (len(sent) + 1))
                for status, sequence, payload in self._receive():
                    if sequence not in sent or status == IDENTITY != wanted:
                        continue  # of a frame that was given up, or of noise
                    frame, _ = sent.pop(sequence)
                    if status == wanted:
                        answers[frame] = payload
                        continue
                    if status == OVERRUN:
                        window = 1
                    self._again(frame, REASONS.get(status, f"status {status:#04x}"), tries, waiting)
                late = [sequence for sequence, (_, until) in sent.items() if time.monotonic() > until]
                for sequence in late:
                    self._again(sent.pop(sequence)[0], "no answer came", tries, waiting)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"{self.name} is gone: {error}; is the board still plugged in?") from error
        return [answers[frame] for frame in range(len(payloads))]

    def _again(self, frame: int, reason: str, tries: Counter[int], waiting: deque[int]) -> None:
        self.resent[reason] += 1
        tries[frame] += 1
        if tries[frame] > self.retries:
            raise LinkError(
                f"frame {frame} failed {tries[frame]} times on {self.name} at {self.baud:,} baud, at last because"
                f" {reason}: check the port, the cable, and that the bitstream of this project is loaded"
            )
        waiting.appendleft(frame)

    def _patience(self, sent: int) -> float:
        """Seconds in which an answer must be there: twice the time of its bytes, the board's latency, and `timeout`."""
        back = 2 * self.frame_bytes("output") + 16
        return 20 * (sent + back) / self.baud + 2 * self.settings["latency_s"] + self.timeout

    def _receive(self) -> list[tuple[int, int, bytes]]:
        """Status, sequence number and payload of every whole and right reply that has come."""
        self._incoming += self.port.read(self.port.in_waiting or 1)
        *parts, rest = self._incoming.split(bytes([FLAG]))
        self._incoming = rest if len(rest) < 1 << 20 else bytearray()
        found = []
        for part in parts:
            body = _unescape(part)
            if len(body) >= 6 and zlib.crc32(body[:-4]) == int.from_bytes(body[-4:], "little"):
                found.append((body[0], body[1], body[2:-4]))
        return found


def _frame(command: int, sequence: int, payload: bytes) -> bytes:
    """A frame as it goes over the wire; the first flag ends whatever came before."""
    body = bytes([command, sequence]) + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    for value in (ESCAPE, FLAG):  # in this order: what the second puts in is not escaped again
        body = body.replace(bytes([value]), bytes([ESCAPE, value ^ FLIP]))
    return bytes([FLAG]) + body + bytes([FLAG])


def _unescape(part: bytes | bytearray) -> bytes:
    out, escaped = bytearray(), False
    for value in part:
        if value == ESCAPE:
            escaped = True
        else:
            out.append(value ^ FLIP if escaped else value)
            escaped = False
    return b"" if escaped else bytes(out)  # an escape before a flag takes the frame back


def _self_test(accelerator: Accelerator, frames: int | None) -> int:
    wrong, line = accelerator.self_test(frames)
    print(line + "".join(f"; sent again {count} times: {why}" for why, count in accelerator.resent.items()))
    return 1 if wrong else 0


def main(arguments: list[str]) -> int:
    """Self test, or outputs for inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", help="serial port, such as /dev/ttyUSB0 or COM4")
    parser.add_argument("inputs", nargs="?", help="samples, .npy; default: compare the project's vectors")
    parser.add_argument("outputs", nargs="?", help="where to write the outputs, .npy")
    parser.add_argument("--baud", type=int, help="bits a second; default that of the board's top")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds an answer may take; default 1")
    parser.add_argument("--frames", type=int, help="how many of the vectors to send")
    given = parser.parse_args(arguments)
    if given.inputs and not given.outputs:
        parser.error("say where to write the outputs")
    try:
        with Accelerator(given.port, baud=given.baud, timeout=given.timeout) as accelerator:
            if not given.inputs:
                return _self_test(accelerator, given.frames)
            np.save(given.outputs, accelerator.infer(np.load(given.inputs)))
    except (LinkError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

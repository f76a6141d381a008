# SPDX-License-Identifier: Apache-2.0
"""Every error that swm raises on purpose.

    SwmError
    ├── ModelError            a model file, or something in it, cannot be used
    │   ├── UnsupportedModel  legal ONNX that a stage cannot take; lists every offending node
    ├── CalibrationError      calibration, input or label arrays of the wrong shape, type or content
    ├── OptionError           an impossible option: block size, bits, board, layer name
    │   └── UnknownBoard
    ├── DoesNotFit            a design is larger than its board
    ├── OutputError           the output folder or file cannot be written as asked
    └── ToolError             an outside tool (compiler) is missing or failed

A message names what is wrong, where (file or node), and what to do about it. The command line prints the message alone
and exits with status 2; a traceback that reaches a user is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "CalibrationError",
    "DoesNotFit",
    "Finding",
    "ModelError",
    "OptionError",
    "OutputError",
    "SwmError",
    "ToolError",
    "UnknownBoard",
    "UnsupportedModel",
]


class SwmError(Exception):
    """Base of all errors that swm raises on purpose. They pass from one process to another."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild without `__init__`, whose arguments are not those of the message."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[SwmError], args: tuple[Any, ...], state: dict[str, Any]) -> SwmError:
    made = kind.__new__(kind, *args)
    made.__dict__.update(state)
    return made


class ModelError(SwmError):
    """A model file, or something in it, is missing, damaged or illegal."""


@dataclass(frozen=True)
class Finding:
    """One node that a stage cannot take: its name, operator, the reason and the remedy."""

    node: str
    op: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.op} {self.node!r}: {self.reason}; {self.remedy}"


class UnsupportedModel(ModelError):
    """A legal model that a stage cannot take. `findings` lists every node that is in the way, not only the first."""

    def __init__(self, what: str, findings: Sequence[Finding]) -> None:
        """Join `what` (one sentence) and one line for each finding."""
        self.findings = tuple(findings)
        super().__init__("\n".join([what, *(f"  - {f}" for f in findings)]))


class CalibrationError(SwmError):
    """Calibration data, inputs or labels that do not fit the model."""


class OptionError(SwmError):
    """An option with an impossible value."""


class UnknownBoard(OptionError):
    """A board name that is not among `boards/*.toml`."""


class DoesNotFit(SwmError):
    """A design that is larger than its board.

    Attributes:
        board: name of the board.
        overflow: what is too large, and by how much.
        block: the smallest block size for the whole network that would fit; None if none would, or nobody knows.
        bits: the most bits, of a few, that would fit.
        both: a block size and bits that would fit together, where neither does alone; None likewise.
        boards: a few boards that would hold it as it is, the smallest first.
        remedy: what helps, in words.
    """

    def __init__(
        self,
        board: str,
        overflow: str,
        *,
        block: int | None,
        bits: int | None,
        both: tuple[int, int] | None = None,
        boards: Sequence[str] = (),
        asked: bool = True,
        slower: bool = False,
        tried: bool = False,
    ) -> None:
        """Put together the verdict and what helps.

        `asked`: the caller may write it all the same; `slower`: a design of a longer interval may fit; `tried`: what is
        not named here was tried and does not help.
        """
        self.board, self.overflow, self.block, self.bits, self.boards = board, overflow, block, bits, tuple(boards)
        self.both = both
        ways = [
            f"blocks of {block} (swm convert --block {block})" if block else "a larger block (swm convert --block)",
            f"{bits} bits (--bits {bits})" if bits else "fewer bits (--bits)",
            f"a larger board (--board {' or '.join(self.boards)})" if boards else "a larger board",
        ]
        known = [way for way, fits in zip(ways, (block, bits, boards), strict=False) if fits]
        if both is not None:
            size, width = both
            known.insert(0, f"blocks of {size} at {width} bits (swm convert --block {size}, then --bits {width})")
        ways += ["a slower design (swm emit --interval)"] if slower else []
        by = "by the resource model " if asked else ""
        text = f"{by}{', or '.join(known)} would fit" if known and not slower else f"try {', '.join(ways)}"
        if tried and not known:
            text = f"{by}no block size, no fewer bits, nor both, and no larger board of its vendor would do: "
            text += "the network has to be smaller"
        anyway = "; --allow-overflow (in Python allow_overflow=True) writes it all the same" if asked else ""
        self.remedy = text
        super().__init__(f"the design does not fit {board}: {overflow}; {text}. Nothing was written{anyway}")


class OutputError(SwmError):
    """An output folder or file that cannot be written as asked."""


class ToolError(SwmError):
    """An outside tool is missing or failed."""

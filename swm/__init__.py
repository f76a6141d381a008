# SPDX-License-Identifier: Apache-2.0
"""swm: trained ONNX networks to block-circulant FPGA accelerators.

>>> import swm
>>> graph = swm.load("model.onnx")                                            # doctest: +SKIP
>>> small = swm.convert(graph, block=8, calibration=images).graph             # doctest: +SKIP
>>> fixed = swm.quantize(small, bits=12, calibration=images)                  # doctest: +SKIP
>>> project = swm.emit(fixed, board="pynq-z2", path="project", vectors=test)  # doctest: +SKIP
>>> project.verify().ok                                                       # doctest: +SKIP
True

Every public name is imported when it is first asked for, so that `import swm` costs next to nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

# Before anything that imports onnxruntime.
from swm import interrupt, telemetry  # noqa: F401
from swm.version import __version__

if TYPE_CHECKING:
    from swm.accelerator.design import Design
    from swm.accelerator.fixed_graph import FixedGraph
    from swm.api import boards, convert, dense_twin, engines, load, quantize, run, save
    from swm.building import build, synth
    from swm.compress import Conversion, ConversionReport, LayerReport
    from swm.demonstration import Demo, demo
    from swm.device import Board, board_names, load_board
    from swm.emit import Verification
    from swm.engine.kernels import Choice
    from swm.errors import (
        CalibrationError,
        DoesNotFit,
        Finding,
        ModelError,
        OptionError,
        OutputError,
        SwmError,
        ToolError,
        UnknownBoard,
        UnsupportedModel,
    )
    from swm.explore import Exploration
    from swm.exploring import explore
    from swm.finetuning import FineTuned, finetune
    from swm.framing import frame
    from swm.graph import Graph
    from swm.host import Split
    from swm.inspection import Inspection, check
    from swm.projects import Project, design, emit, load_project, report, verify
    from swm.report import Report
    from swm.simplify import simplify
    from swm.splitting import save_split, split
    from swm.structure import BlockCirculant

# The imports above once more, for when they are asked for: a test holds the two against each other.
_HOMES = {
    "swm.accelerator.design": ("Design",),
    "swm.accelerator.fixed_graph": ("FixedGraph",),
    "swm.api": ("boards", "convert", "dense_twin", "engines", "load", "quantize", "run", "save"),
    "swm.building": ("build", "synth"),
    "swm.compress": ("Conversion", "ConversionReport", "LayerReport"),
    "swm.demonstration": ("Demo", "demo"),
    "swm.device": ("Board", "board_names", "load_board"),
    "swm.emit": ("Verification",),
    "swm.engine.kernels": ("Choice",),
    "swm.errors": (
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
    ),
    "swm.explore": ("Exploration",),
    "swm.exploring": ("explore",),
    "swm.finetuning": ("FineTuned", "finetune"),
    "swm.framing": ("frame",),
    "swm.graph": ("Graph",),
    "swm.host": ("Split",),
    "swm.inspection": ("Inspection", "check"),
    "swm.projects": ("Project", "design", "emit", "load_project", "report", "verify"),
    "swm.report": ("Report",),
    "swm.simplify": ("simplify",),
    "swm.splitting": ("save_split", "split"),
    "swm.structure": ("BlockCirculant",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BlockCirculant",
    "Board",
    "CalibrationError",
    "Choice",
    "Conversion",
    "ConversionReport",
    "Demo",
    "Design",
    "DoesNotFit",
    "Exploration",
    "Finding",
    "FineTuned",
    "FixedGraph",
    "Graph",
    "Inspection",
    "LayerReport",
    "ModelError",
    "OptionError",
    "OutputError",
    "Project",
    "Report",
    "Split",
    "SwmError",
    "ToolError",
    "UnknownBoard",
    "UnsupportedModel",
    "Verification",
    "__version__",
    "board_names",
    "boards",
    "build",
    "check",
    "convert",
    "demo",
    "dense_twin",
    "design",
    "emit",
    "engines",
    "explore",
    "finetune",
    "frame",
    "load",
    "load_board",
    "load_project",
    "quantize",
    "report",
    "run",
    "save",
    "save_split",
    "simplify",
    "split",
    "synth",
    "verify",
]


if not TYPE_CHECKING:  # type checkers would take it that every name exists

    def __getattr__(name: str) -> Any:
        """A public name from its module, or a room of the package, imported now."""
        if name in _HOME:
            value = getattr(import_module(_HOME[name]), name)
            globals()[name] = value
            return value
        if not name.startswith("_"):
            try:
                return import_module(f"swm.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"swm.{name}":
                    raise
        raise AttributeError(f"module 'swm' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names alone."""
    return list(__all__)


class _Package(ModuleType):
    """Keeps the functions `emit`, `explore`, `report` and `simplify` where rooms of the same names are imported.

    Python binds a submodule to its package once it is imported; that would hide the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

# SPDX-License-Identifier: Apache-2.0
"""swm: trained ONNX networks to block-circulant FPGA accelerators.

>>> import swm
>>> graph = swm.load("model.onnx")                                            # doctest: +SKIP
>>> small = swm.convert(graph, block=8, calibration=images).graph             # doctest: +SKIP
>>> fixed = swm.quantize(small, bits=12, calibration=images)                  # doctest: +SKIP
>>> project = swm.emit(fixed, board="pynq-z2", path="project", vectors=test)  # doctest: +SKIP
>>> swm.verify(project).ok                                                    # doctest: +SKIP
True
"""

# Before the imports that take time, and before anything that imports onnxruntime.
from swm import interrupt, telemetry  # noqa: F401
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.api import boards, convert, dense_twin, engines, load, quantize, run, save
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
from swm.graph import Graph
from swm.inspection import Inspection, check
from swm.projects import design, emit, load_project, report, verify
from swm.report import Report
from swm.simplify import simplify
from swm.structure import BlockCirculant
from swm.version import __version__

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
    "Finding",
    "FixedGraph",
    "Graph",
    "Inspection",
    "LayerReport",
    "ModelError",
    "OptionError",
    "OutputError",
    "Report",
    "SwmError",
    "ToolError",
    "UnknownBoard",
    "UnsupportedModel",
    "Verification",
    "__version__",
    "board_names",
    "boards",
    "check",
    "convert",
    "demo",
    "dense_twin",
    "design",
    "emit",
    "engines",
    "load",
    "load_board",
    "load_project",
    "quantize",
    "report",
    "run",
    "save",
    "simplify",
    "verify",
]

# SPDX-License-Identifier: Apache-2.0
"""Design → project folder, and its simulation."""

from swm.emit.board_files import card_commands, host_path
from swm.emit.folder import backups, changed_files, check_output
from swm.emit.host_files import host_operators
from swm.emit.outcome import Outcome, files_hash, kept_outcome
from swm.emit.project import emit_project
from swm.emit.rtl_context import rtl_instances
from swm.emit.rtl_verify import RtlVerification
from swm.emit.trace import LayerTrace
from swm.emit.verify import Verification, expected_iterations, verify_project

__all__ = [
    "LayerTrace",
    "Outcome",
    "RtlVerification",
    "Verification",
    "backups",
    "card_commands",
    "changed_files",
    "check_output",
    "emit_project",
    "expected_iterations",
    "files_hash",
    "host_operators",
    "host_path",
    "kept_outcome",
    "rtl_instances",
    "verify_project",
]

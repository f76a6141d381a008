# SPDX-License-Identifier: Apache-2.0
"""Schedule + fixed-point graph → project folder, and its C simulation."""

from swm.emit._project import emit_project
from swm.emit._verify import Verification, verify_project

__all__ = ["Verification", "emit_project", "verify_project"]

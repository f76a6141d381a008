# SPDX-License-Identifier: Apache-2.0
"""onnxruntime's telemetry is off where swm runs: models are their owners' business.

Linux builds since 1.29 send events about the models they open, by a thread that starts at import, and keep a database
of them in the user's cache folder. Whoever wants that sets ORT_DISABLE_TELEMETRY=0 (before 1.30:
ORT_TELEMETRY_DISABLED=0) before importing swm. This module must be imported before onnxruntime is.
"""

import os

__all__ = ["QUIET"]

QUIET = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)

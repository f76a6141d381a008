# SPDX-License-Identifier: Apache-2.0
"""The version, in the one place that the build, the package and the emitted projects read it from."""

__all__ = ["__version__"]

__version__ = "0.1.0"

# SPDX-License-Identifier: Apache-2.0
"""A smaller graph that computes the same: exporters' leftovers are gone, what they spelt out has its name back."""

from swm.simplify.simplification import simplify

__all__ = ["simplify"]

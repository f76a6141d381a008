# SPDX-License-Identifier: Apache-2.0
"""Every port of every kernel against a model written from docs/arithmetic.md alone."""

# SPDX-License-Identifier: Apache-2.0
"""Kinds of hardware layers, one file each; `registry` is the only list of them."""

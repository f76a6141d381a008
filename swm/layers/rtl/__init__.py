# SPDX-License-Identifier: Apache-2.0
"""Which modules of hls/rtl the kinds of layers are, and how deep their pipelines are; `registry` is the list."""

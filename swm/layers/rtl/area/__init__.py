# SPDX-License-Identifier: Apache-2.0
"""What the modules of hls/rtl take of a device: counted in bits of adders, registers and the like, priced by fits."""

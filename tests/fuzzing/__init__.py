# SPDX-License-Identifier: Apache-2.0
"""Structure-aware fuzzing of everything that takes a model: seeds, mutations, what one case does, the campaign."""

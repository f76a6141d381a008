# SPDX-License-Identifier: Apache-2.0
"""C++ for this processor: compiled in the background when first wanted, kept in the user's cache, called by ctypes.

`cpp/` holds the sources, `build.py` names, compiles and loads libraries, `background.py` has them compiled while others
answer, `product.py` lays block-circulant matrices out for `cpp/product.h`. It knows arrays only, no other room.
"""

from swm.kernels.background import wanted_library
from swm.kernels.build import FLAGS, compiler, load_library, note_once
from swm.kernels.cache import cache_folder, cores, cpu_name, machine_key, replace_file
from swm.kernels.memory import Floats, Scratch, address, aligned, check_threads, result_array
from swm.kernels.product import CompiledProduct, KernelPlan, few_samples, kernel_plan, packed_spectra, three_parts

__all__ = [
    "FLAGS",
    "CompiledProduct",
    "Floats",
    "KernelPlan",
    "Scratch",
    "address",
    "aligned",
    "cache_folder",
    "check_threads",
    "compiler",
    "cores",
    "cpu_name",
    "few_samples",
    "kernel_plan",
    "load_library",
    "machine_key",
    "note_once",
    "packed_spectra",
    "replace_file",
    "result_array",
    "three_parts",
    "wanted_library",
]

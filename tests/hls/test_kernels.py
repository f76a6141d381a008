# SPDX-License-Identifier: Apache-2.0
"""The HLS library by itself: testbenches on every compiler and header set, pragmas, tables, refused configurations."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hls_tools import HLS, STAND_INS, UNDEFINED, VITIS, WARNINGS, compiler

KERNELS = ["fixed", "finish", "rfft", "spectral_mac", "irfft", "dense", "scale"]


def vendor_headers():
    found = importlib.util.find_spec("hls4ml")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the ap_int headers in the hls4ml wheel (pip install --no-deps hls4ml==1.3.0)")
    headers = Path(found.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    return ["-isystem", str(headers), *STAND_INS]


def run(tmp_path, source, *flags, cxx="g++"):
    binary = tmp_path / "testbench"
    command = [compiler(cxx), *WARNINGS, "-I", str(HLS), *flags, str(HLS / "tests" / source), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:4000]
    result = subprocess.run([binary], capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, (result.stdout + result.stderr)[:4000]
    return result.stdout


@pytest.mark.parametrize("cxx", ["g++", "clang++"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_testbench_of_the_generic_flavour(tmp_path, kernel, cxx):
    assert "0 checks failed" in run(tmp_path, f"test_{kernel}.cpp", *(UNDEFINED if cxx == "g++" else ()), cxx=cxx)


@pytest.mark.parametrize("kernel", [*KERNELS, "axi"])
def test_testbench_of_the_vitis_flavour(tmp_path, kernel):
    assert "0 checks failed" in run(tmp_path, f"test_{kernel}.cpp", *VITIS, *STAND_INS)


@pytest.mark.parametrize("kernel", ["finish", "scale", "axi"])
def test_testbench_on_the_vendor_headers(tmp_path, kernel):
    assert "0 checks failed" in run(tmp_path, f"test_{kernel}.cpp", *VITIS, *vendor_headers())


def test_stand_in_types_behave_as_the_vendor_headers(tmp_path):
    vendor = run(tmp_path, "compare_types.cpp", *VITIS, *vendor_headers())
    assert vendor.count("\n") > 800
    assert run(tmp_path, "compare_types.cpp", *VITIS, *STAND_INS) == vendor


def test_every_kernel_header_has_a_testbench_and_stays_small():
    headers = {path.stem: path.read_text() for path in (HLS / "swm").glob("*.h")}
    tested = {path.stem.removeprefix("test_") for path in (HLS / "tests").glob("test_*.cpp")}
    assert tested == {*KERNELS, "axi"} == tested & set(headers)
    for name, text in headers.items():
        assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n/// \\file"), name
        assert text.count("\n") < 300, name


def test_every_loop_has_a_label():
    for path in (HLS / "swm").glob("*.h"):
        lines = path.read_text().splitlines()
        loops = [i for i, line in enumerate(lines) if re.match(r"\s*(for|while) \(", line)]
        assert [lines[i] for i in loops if not re.fullmatch(r"\s*[A-Z_]+:", lines[i - 1])] == [], path.name


def test_tables_are_what_the_script_writes():
    script = HLS / "tools" / "make_tables.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert printed == (HLS / "swm" / "tables.h").read_text()


# UG1399: what may stand after `#pragma HLS`
WORD = r"\w+(\.\w+)*"
GRAMMAR = [
    r"PIPELINE II = 1",
    r"UNROLL",
    r"INLINE( off)?",
    r"DATAFLOW",
    rf"ARRAY_PARTITION variable = {WORD} type = complete dim = \d",
    rf"ARRAY_RESHAPE variable = {WORD} type = complete dim = \d",
    rf"ARRAY_RESHAPE variable = {WORD} type = cyclic factor = \w+ dim = 1",
    rf"DEPENDENCE variable = {WORD} type = (inter|intra) dependent = false",
    rf"BIND_STORAGE variable = {WORD} type = (rom_np|fifo impl = srl)",
    rf"STREAM variable = {WORD} depth = \d+",
]


def pragmas(*flags):
    text = '#include "swm/axi.h"\n' + "".join(f'#include "swm/{k}.h"\n' for k in KERNELS)
    text += "void f() { SWM_DATAFLOW SWM_STREAM_DEPTH(a, 2) SWM_STREAM_SRL(a) }\n"
    command = [compiler("g++"), "-E", "-xc++", "-std=c++14", "-I", HLS, *STAND_INS, *flags, "-"]
    out = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return [" ".join(line.split()[2:]) for line in out.splitlines() if line.lstrip().startswith("#pragma HLS")]


def test_pragmas_expand_to_what_vitis_documents():
    """They once said `2 = 2` for `dim = 2`: a macro's parameter had the name of the keyword."""
    found = pragmas(*VITIS, "-D__SYNTHESIS__")
    assert len(found) > 100
    assert [p for p in found if not any(re.fullmatch(g, p) for g in GRAMMAR)] == []
    assert [g for g in GRAMMAR if not any(re.fullmatch(g, p) for p in found)] == []


def test_other_compilers_see_no_pragma():
    assert pragmas(*VITIS) == []


CIRCULANT = {
    "id": 0, "m": 16, "n": 16, "k": 8, "in_bits": 12, "weight_bits": 12, "bias_bits": 17, "out_bits": 12,
    "fft_shifts": 0, "acc_shift": 8, "out_shift": 4, "act_shift": 4, "out_frac": 8, "in_vec": 4, "out_vec": 4,
    "fft_lanes": 2, "mac_blocks": 2, "mac_bins": 2, "ifft_lanes": 1,
}  # fmt: skip
DENSE = {**CIRCULANT, "rows": 4, "columns": 4}
REFUSED = [
    ("circulant", {"k": 12}, "the block size is a power of two, 2 to 256"),
    ("circulant", {"k": 512}, "the block size is a power of two, 2 to 256"),
    ("circulant", {"in_bits": 19}, "data have 4 to 18 bits"),
    ("circulant", {"out_bits": 3}, "data have 4 to 18 bits"),
    ("circulant", {"weight_bits": 19}, "weights fit the narrow port of a DSP block"),
    ("circulant", {"fft_shifts": 3}, "fewer halvings than stages"),
    ("circulant", {"k": 2, "in_vec": 2, "out_vec": 2, "mac_bins": 1, "fft_shifts": 1}, "fewer halvings than stages"),
    ("circulant", {"acc_shift": -1}, "a spectral sum is never shifted left"),
    ("circulant", {"act_shift": -60}, "sums fit 64 bits with room to round"),
    ("circulant", {"in_vec": 16}, "an input beat lies inside one block"),
    ("circulant", {"out_vec": 3}, "an output beat lies inside one block"),
    ("circulant", {"mac_bins": 3}, "mac_bins divides k/2"),
    ("circulant", {"ifft_lanes": 4}, "ifft_lanes divides mac_blocks"),
    ("circulant", {"fft_lanes": 0}, "at least one lane each"),
    ("dense_layer", {"columns": 3}, "columns is a power of two"),
    ("dense_layer", {"rows": 6}, "an output beat lies inside one group of rows"),
    ("dense_layer", {"in_vec": 3}, "beats are powers of two"),
    ("dense_layer", {"weight_bits": 2}, "weights fit the narrow port of a DSP block"),
    ("scale_layer", {"in_vec": 2}, "input and output beats are equal powers of two"),
    ("scale_layer", {"in_bits": 20}, "data have 4 to 18 bits"),
]


def check_config(traits, changed):
    values = ", ".join(f"{key} = {value}" for key, value in {**DENSE, **changed}.items())
    text = '#include "swm/circulant.h"\n#include "swm/dense.h"\n#include "swm/scale.h"\n'
    text += f"struct c {{ static constexpr int {values}; typedef swm::relu activation; }};\n"
    text += f"template struct swm::{traits}<c>;\n"
    command = [compiler("g++"), "-xc++", "-std=c++14", "-fsyntax-only", "-I", HLS, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("traits", ["circulant", "dense_layer", "scale_layer"])
def test_the_configuration_that_the_next_test_spoils_is_accepted(traits):
    result = check_config(traits, {})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("traits", "changed", "message"), REFUSED)
def test_bad_configurations_do_not_compile(traits, changed, message):
    result = check_config(traits, changed)
    assert result.returncode != 0
    assert message in result.stderr

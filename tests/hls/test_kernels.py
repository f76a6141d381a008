# SPDX-License-Identifier: Apache-2.0
"""The HLS library by itself: testbenches on every compiler and header set, pragmas, tables, refused configurations."""

import re
import subprocess
import sys

import pytest
from hls_tools import HLS, STAND_INS, UNDEFINED, UNOPTIMIZED, VITIS, WARNINGS, compiler, vendor_headers

BENCHES = sorted(path.stem.removeprefix("test_") for path in (HLS / "tests").glob("test_*.cpp"))
HEADERS = sorted(path.name for path in (HLS / "swm").glob("*.h"))
ONLY_VITIS = {"axi", "load"}
# Some, for the vendor's types take long to compile.
ON_VENDOR_HEADERS = ["axi", "finish", "load", "scale"]
# Their benches take longest to compile; clang, the vendor's types and -O1 meet them in ports/ over all their forms.
LONG = {"irfft_passes", "rfft_passes", "spectral_mac"}


def run(tmp_path, source, *flags, cxx="g++"):
    binary = tmp_path / "testbench"
    command = [compiler(cxx), *WARNINGS, "-I", str(HLS), *flags, str(HLS / "tests" / source), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:4000]
    result = subprocess.run([binary], capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, (result.stdout + result.stderr)[:4000]
    return result.stdout


@pytest.mark.parametrize(
    ("kernel", "cxx"),
    [(k, c) for k in BENCHES if k not in ONLY_VITIS for c in ("g++", "clang++") if k not in LONG or c == "g++"],
)
def test_testbench_of_the_generic_flavour(tmp_path, kernel, cxx):
    flags = UNDEFINED if cxx == "g++" else UNOPTIMIZED
    assert "0 checks failed" in run(tmp_path, f"test_{kernel}.cpp", *flags, cxx=cxx)


@pytest.mark.parametrize("kernel", BENCHES)
def test_testbench_of_the_vitis_flavour(tmp_path, kernel):
    optimized = UNOPTIMIZED if kernel in LONG else []
    assert "0 checks failed" in run(tmp_path, f"test_{kernel}.cpp", *optimized, *VITIS, *STAND_INS)


@pytest.mark.parametrize("kernel", ON_VENDOR_HEADERS)
def test_testbench_on_the_vendor_headers(tmp_path, kernel):
    assert "0 checks failed" in run(tmp_path, f"test_{kernel}.cpp", *VITIS, *vendor_headers())


def test_stand_in_types_behave_as_the_vendor_headers(tmp_path):
    vendor = run(tmp_path, "compare_types.cpp", *VITIS, *vendor_headers())
    assert vendor.count("\n") > 800
    assert run(tmp_path, "compare_types.cpp", *VITIS, *STAND_INS) == vendor


def test_the_vendor_headers_are_the_ones_that_are_read(tmp_path):
    """Stand-ins in a folder given with -I once came before them, and were compared with themselves."""
    (tmp_path / "probe.cpp").write_text("#include <ap_int.h>\n#include <hls_stream.h>\n")
    command = [compiler("g++"), "-std=c++14", "-E", *vendor_headers(), str(tmp_path / "probe.cpp")]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert str(HLS / "sim") not in read


def test_every_kernel_has_a_testbench_and_every_header_stays_small():
    benches = "".join((HLS / "tests" / f"test_{name}.cpp").read_text() for name in BENCHES)
    headers = {name: (HLS / "swm" / name).read_text() for name in HEADERS}
    # A testbench includes the header of what it tests, or the one that includes the parts.
    reached = benches + "".join(text for name, text in headers.items() if f'#include "swm/{name}"' in benches)
    for name, text in headers.items():
        assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n/// \\file"), name
        assert text.count("\n") < 300, name
        tested = re.search(rf'#include "(swm/)?{re.escape(name)}"', reached)
        assert "SWM_TICK(Cfg" not in text or tested, name


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
    r"PIPELINE II = \w+",
    r"UNROLL",
    r"INLINE( off)?",
    r"DATAFLOW",
    rf"ARRAY_PARTITION variable = {WORD} type = complete dim = \d",
    rf"ARRAY_RESHAPE variable = {WORD} type = complete dim = \d",
    rf"ARRAY_RESHAPE variable = {WORD} type = cyclic factor = \w+ dim = 1",
    rf"AGGREGATE variable = {WORD} compact = bit",
    rf"DEPENDENCE variable = {WORD} type = (inter|intra) dependent = false",
    rf"DEPENDENCE variable = {WORD} type = inter direction = RAW distance = \w+ dependent = true",
    rf"BIND_STORAGE variable = {WORD} type = (rom_np|fifo impl = srl)",
    rf"BIND_OP variable = {WORD} op = mul impl = fabric",
    rf"STREAM variable = {WORD} depth = \d+",
]


def pragmas(*flags):
    text = "".join(f'#include "swm/{name}"\n' for name in HEADERS)
    text += "void f() { SWM_DATAFLOW SWM_STREAM_DEPTH(a, 2) SWM_STREAM_SRL(a) SWM_NO_DEPENDENCE(a) }\n"
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
    "tick": 0, "m": 16, "n": 16, "k": 8, "in_bits": 12, "weight_bits": 12, "bias_bits": 17, "out_bits": 12,
    "fft_shifts": 0, "acc_shift": 8, "out_shift": 4, "in_vec": 4, "out_vec": 4,
    "mac_rows": 2, "mac_columns": 1, "mac_bins": 2, "products": 3, "rom_banks": 1, "rom_lanes": 8,
}  # fmt: skip
DENSE = {**CIRCULANT, "rows": 4, "columns": 4, "rom_lanes": 16}
SCALE = {**CIRCULANT, "rom_lanes": 4}
# 3 x 3 over 16 channels of 8 x 8 positions, 4 a beat
WINDOW = {
    **{f"{name}_{axis}": size for axis in ("rows", "columns") for name, size in {
        "grid": 8, "kernel": 3, "stride": 1, "dilation": 1, "pad": 1, "out": 8, "tap": 1}.items()},
    "position_beats": 4, "run_beats": 1, "window_words": 4, "window_bits": 12, "window_fill": 0,
}  # fmt: skip
SPECTRA = {"position_beats": 2, "run_beats": 2, "window_words": 8, "window_bits": 15}
PASSES = {"k": 64, "m": 128, "n": 128}
NIBBLES = {"in_bits": 4, "weight_bits": 4, "products": 4, "packed": 1}
REFUSED = [
    ("circulant", {"k": 12}, "the block size is a power of two, 2 to 256"),
    ("circulant", {"k": 512}, "the block size is a power of two, 2 to 256"),
    ("circulant", {"in_bits": 19}, "data have 4 to 18 bits"),
    ("circulant", {"out_bits": 3}, "data have 4 to 18 bits"),
    ("circulant", {"weight_bits": 19}, "weights fit the narrow port of a DSP block"),
    ("circulant", {"weight_bits": 18}, "three multipliers take sums of two weights: at most 17 bits each"),
    ("circulant", {"products": 2}, "a complex product takes 3 or 4 multipliers"),
    ("circulant", {"fft_shifts": 3}, "fewer halvings than stages"),
    ("circulant", {"k": 2, "mac_bins": 1, "rom_lanes": 4, "fft_shifts": 1}, "fewer halvings than stages"),
    ("circulant", {"acc_shift": -1}, "a spectral sum is never shifted left"),
    ("circulant", {"bias_bits": 62}, "sums fit 64 bits with room to round"),
    ("circulant", {"out_vec": 3}, "beats are powers of two"),
    ("circulant", {**PASSES, "in_vec": 128, "mac_columns": 32}, "from k = 32 on a beat lies inside one block"),
    ("circulant", {**PASSES, "mac_bins": 1}, "from k = 32 on mac_bins is even"),
    ("circulant", {"mac_rows": 0}, "at least one lane each"),
    ("circulant", {"mac_bins": 3}, "mac_bins is a power of two and divides k/2"),
    ("circulant", {"mac_bins": 8}, "mac_bins is a power of two and divides k/2"),
    ("circulant", {"in_vec": 16}, "mac_columns is a multiple of the blocks in an input beat"),
    ("circulant", {"out_vec": 16, "mac_rows": 1}, "mac_rows is a multiple of the blocks in an output beat"),
    ("circulant", {"rom_lanes": 4}, "rom_banks times rom_lanes are all weights of a cycle"),
    ("circulant", {"fabric_rows": 3}, "fabric_rows are among mac_rows"),
    ("circulant", {"packed": 1}, "pairs of rows, four products"),
    ("circulant", {**NIBBLES, "fabric_rows": 1}, "pairs of rows, four products"),
    ("circulant", {**NIBBLES, "in_bits": 18}, "a pair of weights fits a DSP block"),
    ("circulant", {"mac_columns": 128, "mac_rows": 4, "rom_lanes": 2048}, "no word beyond 4,096 bits"),
    ("circulant", {"mac_bins": 4, "mac_columns": 2, "rom_lanes": 32}, "the sums of a group have left before the next"),
    ("dense_layer", {"columns": 6}, "columns are whole input beats"),
    ("dense_layer", {"columns": 2}, "columns are whole input beats"),
    ("dense_layer", {"rows": 6}, "an output beat lies inside one group of rows"),
    ("dense_layer", {"rows": 16, "rom_lanes": 64, "out_vec": 1}, "the sums of a group have left before the next"),
    ("dense_layer", {"out_vec": 3}, "output beats are powers of two"),
    ("dense_layer", {"weight_bits": 2}, "weights fit the narrow port of a DSP block"),
    ("dense_layer", {"rom_banks": 2}, "rom_banks times rom_lanes are all weights of a cycle"),
    ("dense_layer", {"fabric_rows": 5}, "fabric_rows are among the rows"),
    ("dense_layer", {"packed": 1, "fabric_rows": 1}, "pairs of rows"),
    ("dense_layer", {"packed": 1}, "a pair of weights fits a DSP block"),
    ("scale_layer", {"in_vec": 2}, "input and output beats are equal powers of two"),
    ("window_layer", {"tap_rows": 2}, "the kernel is whole groups of taps"),
    ("window_layer", {"run_beats": 3}, "a position is whole runs of beats"),
    ("window_layer", {"stride_rows": 0}, "strides and dilations are at least 1"),
    ("window_layer", {"out_columns": 0}, "grids hold something"),
    ("window_layer", {"window_words": 600}, "a beat has at most 4,096 bits"),
    ("depthwise_layer", {"out_vec": 2}, "input and output beats are equal powers of two"),
    ("depthwise_layer", {"position_beats": 3, "run_beats": 3}, "all taps of some channels follow each other"),
    ("depthwise_layer", {"n": 17}, "the line buffer holds the input's beats"),
    ("depthwise_layer", {"rom_banks": 2}, "rom_banks times rom_lanes are all weights of a cycle"),
    ("dense_layer<conv_products", {"window_words": 2}, "the line buffer holds the input's beats"),
    ("dense_layer<conv_products", {"position_beats": 5}, "a position is the beats of a token"),
    ("circulant<conv_spectra", {}, "the line buffer holds beats of spectra"),
    ("circulant<conv_spectra", {**SPECTRA, "run_beats": 1}, "all blocks of a tap and group follow each other"),
    ("circulant<conv_spectra", {**SPECTRA, "tap_columns": 3}, "mac_columns is a multiple of the blocks in an input"),
    ("scale_layer", {"in_bits": 20}, "data have 4 to 18 bits"),
]


def check_config(traits, changed):
    kinds = {"circulant": CIRCULANT, "dense_layer": DENSE, "scale_layer": SCALE}
    kinds |= {"window_layer": WINDOW, "depthwise_layer": {**SCALE, **WINDOW, "fabric": 0}}
    kinds |= {"dense_layer<conv_products": {**DENSE, **WINDOW}, "circulant<conv_spectra": {**CIRCULANT, **WINDOW}}
    base = kinds[traits]
    values = ", ".join(f"{key} = {value}" for key, value in {**base, **changed}.items())
    headers = ("circulant", "dense", "scale", "window", "depthwise", "conv", "circulant_conv")
    text = "".join(f'#include "swm/{name}.h"\n' for name in headers)
    text += f"struct c {{ static constexpr int {values}; typedef swm::relu activation; }};\n"
    uses = {"circulant": "mac_times::iterations(1)", "dense_layer": "iterations(1)"}
    text += f"template struct swm::{traits.replace('<', '<swm::')}<c>{' >' * traits.count('<')};\n"
    if traits in uses:
        text += f'static_assert(swm::{traits}<c>::{uses[traits]} > 0, "");\n'
    command = [compiler("g++"), "-xc++", "-std=c++14", "-fsyntax-only", "-I", HLS, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "traits",
    ["circulant", "dense_layer", "scale_layer", "window_layer", "depthwise_layer", "dense_layer<conv_products"],
)
def test_the_configuration_that_the_next_test_spoils_is_accepted(traits):
    result = check_config(traits, {})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("traits", "changed", "message"), REFUSED)
def test_bad_configurations_do_not_compile(traits, changed, message):
    result = check_config(traits, changed)
    assert result.returncode != 0
    assert message in result.stderr

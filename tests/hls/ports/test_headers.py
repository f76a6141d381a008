# SPDX-License-Identifier: Apache-2.0
"""Tables, pragmas and the stand-ins of the vendor's headers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ports.conftest import HLS, Build

KERNELS = ("rfft", "spectral_mac", "irfft", "dense", "scale")


def test_tables_are_what_the_script_prints() -> None:
    printed = subprocess.run(
        [sys.executable, HLS / "tools" / "make_tables.py"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == (HLS / "swm" / "tables.h").read_text(encoding="utf-8")


@pytest.mark.parametrize("header", sorted(p.name for p in (HLS / "swm").glob("*.h")))
def test_every_header_compiles_alone(header: str, tmp_path: Path) -> None:
    source = tmp_path / "one.cpp"
    source.write_text(f'#include "swm/{header}"\n', encoding="utf-8")
    flags = ["-std=c++14", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", str(HLS)]
    vitis = ["-DSWM_VITIS", "-isystem", str(HLS / "sim")]
    for extra in [vitis] if header == "axi.h" else [vitis, []]:
        run = subprocess.run(["g++", *flags, *extra, str(source)], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


def test_the_generic_flavour_includes_the_integers_of_the_language_only() -> None:
    text = "\n".join(
        (HLS / "swm" / f"{name}.h").read_text(encoding="utf-8") for name in (*KERNELS, "circulant", "fixed")
    )
    outside = re.sub(r"#ifdef SWM_VITIS\n.*?#(else|endif)", "", text, flags=re.S)
    assert set(re.findall(r"#include <(.*?)>", outside)) <= {"stdint.h", "cstdint"}


def test_pragmas_reach_the_vendor_and_nobody_else(tmp_path: Path) -> None:
    source = tmp_path / "all.cpp"
    source.write_text("".join(f'#include "swm/{name}.h"\n' for name in KERNELS), encoding="utf-8")
    vitis = ["-DSWM_VITIS", "-isystem", str(HLS / "sim")]

    def pragmas(*extra: str) -> list[str]:
        command = ["g++", "-std=c++14", "-E", "-I", str(HLS), *extra, str(source)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return re.findall(r"#pragma (HLS .*)", text)

    assert pragmas() == []
    assert pragmas(*vitis) == []
    active = pragmas(*vitis, "-D__SYNTHESIS__")
    assert sum(p.startswith("HLS PIPELINE II = 1") for p in active) >= 12  # one a loop that counts
    assert not [p for p in active if "SWM_" in p or "var " in p]  # arguments expanded
    dims = [p for p in active if "ARRAY_" in p]
    assert dims
    assert all(re.search(r"variable = \w+ type = (complete|cyclic factor = .+) dim = \d$", p) for p in dims), dims


ARITHMETIC = r"""
// SPDX-License-Identifier: Apache-2.0
// The operations that swm's kernels rely on, over pseudo-random values: prints a long list to be compared.
#include <cstdint>
#include <cstdio>

#include "swm/fixed.h"
#include "swm/axi.h"

static uint64_t state = 88172645463325252ULL;
static int64_t next() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<int64_t>(state) >> (state % 61);
}

template <class T>
void show(const T& v) { std::printf("%lld ", static_cast<long long>(v)); }

template <int A, int B>
void pair() {
  const ap_int<A> a = static_cast<long long>(next());
  const ap_int<B> b = static_cast<long long>(next());
  show(a);
  show(b);
  show(swm::multiply<A, B>(a, b));
  show(swm::add<A>(a, ap_int<A>(b)));
  show(swm::subtract<A>(a, ap_int<A>(b)));
  show(ap_int<A + 1>(-ap_int<A + 1>(a)));
  show(swm::round_shift<3, A>(a));
  show(swm::round_shift<-2, A>(a));
  show(swm::round_shift<A + 3, A>(a));
  show(swm::saturate<4, A>(a));
  show(swm::saturate<B, A>(a));
  show(swm::halve_if<A>(a < b, ap_int<A + 2>(b)));
  std::printf("%d%d%d%d%d%d ", a < b, a > b, a == b, a <= b, a >= b, a != b);
  show(ap_int<B>(a));
  show(ap_int<A>(ap_int<A>(a) >> 2));
  std::printf("\n");
}

template <int Bits, int V>
void axis() {
  enum { container = Bits <= 8 ? 8 : Bits <= 16 ? 16 : 32 };
  typedef ap_axiu<V * container, 0, 0, 0> word;
  hls::stream<swm::vec<ap_int<Bits>, V> > in("in"), back("back");
  hls::stream<word> wire("wire");
  for (int beat = 0; beat < 3; ++beat) {
    swm::vec<ap_int<Bits>, V> values;
    for (int i = 0; i < V; ++i) {
      values.v[i] = static_cast<long long>(next());
      show(values.v[i]);
    }
    in.write(values);
  }
  swm::write_axis<Bits, V, container, 3>(in, wire);
  for (int beat = 0; beat < 3; ++beat) {
    word w = wire.read();
    for (int byte = 0; byte < V * container / 8; ++byte) {
      const ap_uint<8> part = w.data.range(byte * 8 + 7, byte * 8);
      std::printf("%02x", static_cast<unsigned>(part));
    }
    bool kept = true;
    for (int i = 0; i < V * container / 8; ++i) {
      const ap_uint<1> bit = w.keep.range(i, i);
      kept = kept && bit != 0;
    }
    std::printf(" %d %d ", w.last != 0, kept);
    wire.write(w);
  }
  swm::read_axis<Bits, V, container, 3>(wire, back);
  for (int beat = 0; beat < 3; ++beat) {
    const swm::vec<ap_int<Bits>, V> values = back.read();
    for (int i = 0; i < V; ++i) show(values.v[i]);
  }
  std::printf("\n");
}

int main() {
  for (int i = 0; i < 300; ++i) {
    pair<8, 8>();
    pair<12, 18>();
    pair<18, 7>();
    pair<25, 18>();
    pair<31, 32>();
    pair<33, 12>();
    pair<44, 9>();
    axis<8, 4>();
    axis<12, 16>();
    axis<18, 2>();
    axis<5, 1>();
    axis<16, 32>();
  }
  return 0;
}
"""


def test_stand_in_headers_compute_as_the_vendors(build: Build) -> None:
    output = [
        subprocess.run([build(ARITHMETIC, flavour)], capture_output=True, text=True, check=True).stdout
        for flavour in ("sim", "real")
    ]
    assert len(output[0].splitlines()) == 300 * 12
    assert output[0] == output[1]
    frames = [line.split() for line in output[0].splitlines()[7::12]]  # axis<8, 4>
    for words in frames:
        sent, wire, back = words[:12], words[12:21], words[21:]
        assert sent == back
        assert [wire[1::3], wire[2::3]] == [["0", "0", "1"], ["1", "1", "1"]]  # TLAST on the last beat, TKEEP all ones
        assert "".join(wire[::3]) == bytes(int(v) & 255 for v in sent).hex()

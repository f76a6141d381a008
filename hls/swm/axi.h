// SPDX-License-Identifier: Apache-2.0
/// \file axi.h
/// \brief AXI4-Stream edges (Vitis flavour): unpack V elements a beat, pack them again, mark the last beat.
///
/// An element occupies a container of 8, 16 or 32 bits, little end first, sign in the container's top bits; so a host
/// sends and receives plain int8, int16 or int32 arrays.
///
/// II = 1. Iterations: Beats; latency is these plus the fill of one pipeline.
///
/// \tparam Bits       of an element
/// \tparam V          elements a beat
/// \tparam Container  bits that an element takes in a beat: 8, 16 or 32
/// \tparam Beats      of a frame
/// \tparam Axis       ap_axiu of V * Container bits
#pragma once

#include "ap_axi_sdata.h"
#include "count.h"
#include "ports.h"

namespace swm {

/// Input edge. TLAST of the input is not needed and not looked at: a frame is Beats beats.
template <int Bits, int V, int Container, int Beats, class Axis>
void read_axis(hls::stream<Axis>& in, hls::stream<vec<int_t<Bits>, V> >& out) {
  static_assert(Container == 8 || Container == 16 || Container == 32, "elements travel as int8, int16 or int32");
  static_assert(Bits <= Container, "an element fits its container");
READ_AXIS:
  for (int beat = 0; beat < Beats; ++beat) {
    SWM_PIPELINE
    const Axis word = in.read();
    vec<int_t<Bits>, V> value;
  UNPACK:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const ap_uint<Bits> raw = word.data.range(i * Container + Bits - 1, i * Container);
      value.v[i] = int_t<Bits>(raw);
    }
    out.write(value);
  }
}

/// Output edge: TLAST marks the last of Beats beats.
template <int Bits, int V, int Container, int Beats, class Axis>
void write_axis(hls::stream<vec<int_t<Bits>, V> >& in, hls::stream<Axis>& out) {
  static_assert(Container == 8 || Container == 16 || Container == 32, "elements travel as int8, int16 or int32");
  static_assert(Bits <= Container, "an element fits its container");
WRITE_AXIS:
  for (int beat = 0; beat < Beats; ++beat) {
    SWM_PIPELINE
    const vec<int_t<Bits>, V> value = in.read();
    Axis word;
  PACK:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      word.data.range(i * Container + Container - 1, i * Container) = ap_uint<Container>(ap_int<Container>(value.v[i]));
    }
    word.keep = -1;
    word.strb = -1;
    word.last = beat == Beats - 1;
    out.write(word);
  }
}

}  // namespace swm

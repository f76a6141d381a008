// SPDX-License-Identifier: Apache-2.0
/// \file prelu.h
/// \brief A slope for each channel below zero: y = x from zero on, slope[c] x below.
///
/// v[c] = x[c] < 0 ? slope[c] x[c] : x[c] 2^slope_frac, exact; then one rounding (docs/arithmetic.md section 6).
///
/// II = 1. Iterations: tokens * period, period = ceil(n / V); iteration i reads beat i and writes beat i. Latency is the
/// fill of one pipeline. V multipliers of weight_bits x in_bits; one ROM word of slopes a bank and cycle.
///
/// \tparam Cfg  tick, n, in_bits, weight_bits, slope_frac, out_bits, out_shift, vec = V, rom_banks, rom_lanes (rom_banks *
///              rom_lanes = V; lane i of a beat lies in bank i / rom_lanes)
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct prelu_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    value_bits = Cfg::in_bits + max_of(Cfg::weight_bits, Cfg::slope_frac),
    rom_depth = beats,
    in_beats = beats,
    out_beats = beats,
    prologue = 0,
    period = beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 1, "at least one channel");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "slopes fit the narrow port of a DSP block");
  static_assert(Cfg::slope_frac >= 0 && value_bits <= 62, "products fit 64 bits with room to round");
  static_assert(Cfg::rom_banks * Cfg::rom_lanes == V, "the banks of the ROM hold one beat");
  static_assert(Cfg::rom_lanes * Cfg::weight_bits <= 4096, "a word of a ROM has at most 4,096 bits");
};

/// \param tokens  positions of all frames of this call
/// \param slope   ROM [bank][beat][lane], padded with zeros
/// \param in,out  beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void prelu(int tokens, const typename prelu_layer<Cfg>::weight_t slope[Cfg::rom_banks][prelu_layer<Cfg>::rom_depth][Cfg::rom_lanes],
           In& in, Out& out) {
  typedef prelu_layer<Cfg> L;
  constexpr int V = Cfg::vec;
  SWM_PARTITION(slope, 1)
  SWM_WIDE_WORD(slope, 3)
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
PRELU:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(in, step);
    vec<typename L::out_t, V> value;
  PRELU_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      typedef int_t<L::value_bits> value_t;
      const typename L::weight_t s = slope[i / Cfg::rom_lanes][int(beat)][i % Cfg::rom_lanes];
      const value_t below = value_t(multiply<Cfg::in_bits, Cfg::weight_bits>(x.v[i], s));
      const value_t above = value_t(round_shift<-Cfg::slope_frac, Cfg::in_bits>(x.v[i]));
      const value_t v = x.v[i] < 0 ? below : above;
      const typename L::out_t y = identity::run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm

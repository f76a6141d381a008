// SPDX-License-Identifier: Apache-2.0
/// \file scale.h
/// \brief A gain and an offset for each channel, then an activation: a BatchNormalization that could not be folded.
///
/// y[c] = activation(gain[c] x[c] + offset[c]); gains at frac fg, offsets at frac fx + fg (docs/arithmetic.md section 6).
///
/// II = 1. Iterations: tokens * period, period = ceil(n / V); iteration i reads beat i and writes beat i. Latency is the
/// fill of one pipeline. V multipliers of weight_bits x in_bits; one ROM word of gains a bank and one of offsets a cycle.
///
/// \tparam Cfg  tick, n, in_bits, weight_bits, bias_bits, out_bits, out_shift, in_vec = out_vec = V,
///              rom_banks, rom_lanes (rom_banks * rom_lanes = V; lane i of a beat lies in bank i / rom_lanes), activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct scale_layer {
  enum {
    V = Cfg::in_vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    acc_bits = Cfg::weight_bits + Cfg::in_bits,
    value_bits = max_of(acc_bits, Cfg::bias_bits) + 1,
    rom_depth = beats,
    bias_words = beats * V,
    in_beats = beats,
    out_beats = beats,
    prologue = 0,
    period = beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 1, "at least one channel");
  static_assert(Cfg::in_vec == Cfg::out_vec && is_power_of_two(Cfg::in_vec), "input and output beats are equal powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "gains fit the narrow port of a DSP block");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(Cfg::rom_banks * Cfg::rom_lanes == V, "the banks of the ROM hold one beat");
  static_assert(Cfg::rom_lanes * Cfg::weight_bits <= 4096 && V * Cfg::bias_bits <= 4096, "a word of a ROM has at most 4,096 bits");
};

/// \param tokens  positions of all frames of this call
/// \param gain    ROM [bank][beat][lane], padded with zeros
/// \param bias    offsets at the binary point of the products, padded with zeros
/// \param in,out  beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void scale(int tokens, const typename scale_layer<Cfg>::weight_t gain[Cfg::rom_banks][scale_layer<Cfg>::rom_depth][Cfg::rom_lanes],
           const typename scale_layer<Cfg>::bias_t bias[scale_layer<Cfg>::bias_words], In& in, Out& out) {
  typedef scale_layer<Cfg> L;
  constexpr int V = Cfg::in_vec;
  SWM_PARTITION(gain, 1)
  SWM_WIDE_WORD(gain, 3)
  SWM_WIDE_WORDS_OF(bias, V)
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
SCALE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(in, step);
    vec<typename L::out_t, V> value;
  SCALE_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const typename L::weight_t g = gain[i / Cfg::rom_lanes][int(beat)][i % Cfg::rom_lanes];
      const int_t<L::acc_bits> product = multiply<Cfg::in_bits, Cfg::weight_bits>(x.v[i], g);
      const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(product) + int_t<L::value_bits>(bias[int(beat) * V + i]));
      const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm

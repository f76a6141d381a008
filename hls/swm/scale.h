// SPDX-License-Identifier: Apache-2.0
/// \file scale.h
/// \brief A gain and an offset for each value, then an activation: a BatchNormalization that could not be folded.
///
/// y[c] = activation(gain[c] x[c] + offset[c]); gains at frac fg, offsets at frac fx + fg (docs/arithmetic.md section 6).
/// II = 1, ceil(n / in_vec) iterations; latency is these plus the fill of one pipeline. V multipliers of weight_bits x
/// in_bits; one ROM word of gains and one of offsets a cycle.
///
/// \tparam Cfg  id, n, in_bits, weight_bits, bias_bits, out_bits, out_shift, act_shift, out_frac, in_vec = out_vec, activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct scale_layer {
  enum {
    beats = ceil_div(Cfg::n, Cfg::in_vec),
    acc_bits = Cfg::weight_bits + Cfg::in_bits,
    value_bits = max_of(acc_bits, Cfg::bias_bits) + 1,
    rom_depth = beats,
    rom_lanes = Cfg::in_vec,
    bias_words = beats * Cfg::in_vec,
    iterations = beats
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(Cfg::in_vec == Cfg::out_vec && is_power_of_two(Cfg::in_vec), "input and output beats are equal powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "gains fit the narrow port of a DSP block");
  static_assert(value_bits + max_of(0, -Cfg::act_shift) <= 62, "sums fit 64 bits with room to round");
};

/// \param gain  ROM [beat][value], padded with zeros
/// \param bias  offsets at the binary point of the products, padded with zeros
template <class Cfg, class In, class Out>
void scale(const typename scale_layer<Cfg>::weight_t gain[scale_layer<Cfg>::rom_depth][scale_layer<Cfg>::rom_lanes],
           const typename scale_layer<Cfg>::bias_t bias[scale_layer<Cfg>::bias_words], In& in, Out& out) {
  typedef scale_layer<Cfg> L;
  constexpr int V = Cfg::in_vec;
  SWM_WIDE_WORD(gain, 2)
  SWM_WIDE_WORDS_OF(bias, V)
VALUES:
  for (int beat = 0; beat < L::beats; ++beat) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id);
    const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(in, beat);
    vec<typename L::out_t, V> value;
  LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const int index = beat * V + i;
      if (index < Cfg::n) {
        const int_t<L::acc_bits> product = multiply<Cfg::in_bits, Cfg::weight_bits>(x.v[i], gain[beat][i]);
        const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(product) + int_t<L::value_bits>(bias[index]));
        value.v[i] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      } else {
        value.v[i] = 0;
      }
    }
    write_beat<V>(out, beat, value);
  }
}

}  // namespace swm

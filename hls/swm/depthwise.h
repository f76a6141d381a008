// SPDX-License-Identifier: Apache-2.0
/// \file depthwise.h
/// \brief A depthwise convolution behind its line buffer: each channel with a kernel of its own.
///
/// acc[c] = sum over taps t of w[t][c] x[t][c], exact; then bias, activation, one rounding (docs/arithmetic.md section 6).
/// The line buffer (window.h, run_beats = 1) gives all taps of in_vec channels one beat after the other.
///
/// II = 1. Iterations: tokens * period, period = position_beats * groups, groups = beats of all taps of in_vec channels;
/// iteration i reads beat i, and every groups-th one writes in_vec channels. A multiplier a word of the beat, a sum a channel.
/// With the members of beside.h a token is beside_out output positions of a row, and one beat: all channels of all of them
/// have multipliers, one a tap, and positions share their weights.
///
/// \tparam Cfg  of the layer: what window.h asks; n, in_bits, weight_bits, bias_bits, out_bits, out_shift, in_vec, out_vec
///              (equal powers of two); rom_banks, rom_lanes as in circulant.h; fabric: 1 where it multiplies in LUTs;
///              activation. tick is that of the line buffer, the process before this one
#pragma once

#include "beside.h"
#include "count.h"
#include "finish.h"
#include "ports.h"
#include "row_sums.h"
#include "window_walk.h"

namespace swm {

template <class Cfg>
struct depthwise_layer {
  typedef window_layer<Cfg> window;
  typedef window_lanes<Cfg> lanes;
  enum {
    V = lanes::words,
    taps = lanes::taps,
    channels = lanes::channels,  // weights of a tap
    groups = window::row_groups * window::column_groups,
    beats = Cfg::position_beats,  // of an output position
    period = beats * groups,
    tail = lanes::n - (beats - 1) * V,  // channels of the last beat
    wide = beats > 1 ? int(V) : int(tail),  // words of a beat that are ever channels
    rom_depth = period,
    rom_banks = Cfg::rom_banks,
    rom_lanes = Cfg::rom_lanes,
    in_width = Cfg::in_bits,
    weight_width = Cfg::weight_bits,
    acc_bits = Cfg::weight_bits + Cfg::in_bits + clog2(groups * taps),
    value_bits = max_of(acc_bits, Cfg::bias_bits) + 1,
    bias_words = beats * V
  };
  static constexpr int iterations(int tokens) { return tokens * period; }

  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "weights fit the narrow port of a DSP block");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(is_power_of_two(V) && V == Cfg::out_vec, "input and output beats are equal powers of two");
  static_assert(Cfg::window_words == Cfg::in_vec && Cfg::window_bits == Cfg::in_bits && beats == ceil_div(int(lanes::n), V),
                "the line buffer holds the input's beats");
  static_assert(Cfg::run_beats == 1, "all taps of some channels follow each other");
  static_assert(rom_banks * rom_lanes == taps * channels, "rom_banks times rom_lanes are all weights of a cycle");
  static_assert(rom_lanes * weight_width <= 4096, "no word beyond 4,096 bits");
};

/// \param tokens   output positions of all frames of this call
/// \param weights  ROM, banks of [(beat of channels, group of taps)][lane]; over all banks, lane tap * channels + channel
/// \param bias     beats * out_vec values at the binary point of the sums
/// \param in       period beats a token, as window.h writes them
/// \param out      `beats` beats of out_vec channels a token; surplus values of the last one are zero
template <class Cfg, class In, class Out>
void depthwise(int tokens,
               const typename depthwise_layer<Cfg>::weight_t weights[depthwise_layer<Cfg>::rom_banks]
                                                                    [depthwise_layer<Cfg>::rom_depth]
                                                                    [depthwise_layer<Cfg>::rom_lanes],
               const typename depthwise_layer<Cfg>::bias_t bias[depthwise_layer<Cfg>::bias_words], In& in, Out& out) {
  typedef depthwise_layer<Cfg> L;
  typedef int_t<L::acc_bits> acc_t;
  constexpr int V = L::V, taps = L::taps, B = L::in_width, W = L::weight_width;
  SWM_PARTITION(weights, 1)
  SWM_WIDE_WORD(weights, 3)
  SWM_WIDE_WORDS_OF(bias, V)
  acc_t acc[V] = {};
  SWM_PARTITION(acc, 0)

  const int total = L::iterations(tokens);
  count_t<L::groups> group = 0;
  count_t<L::beats> set = 0;  // beat of channels
  count_t<L::period> address = 0;
  int written = 0;
DEPTHWISE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1);
    const vec<typename L::in_t, L::window::out_words> x = read_beat<L::window::out_words, typename L::in_t>(in, step);
    const bool first = int(group) == 0, complete = int(group) == L::groups - 1, last = int(set) == L::beats - 1;
    typename L::weight_t w[taps * L::channels];
    SWM_PARTITION(w, 0)
    read_rom_word(weights, int(address), w);
    vec<typename L::out_t, V> value;
  CLEAR_BEAT:
    for (int c = 0; c < V; ++c) {
      SWM_UNROLL
      value.v[c] = 0;
    }
  CHANNELS:
    for (int c = 0; c < L::wide; ++c) {
      SWM_UNROLL
      acc_t sum = 0;
    TAPS:
      for (int t = 0; t < taps; ++t) {
        SWM_UNROLL
        const typename L::in_t seen = x.v[L::lanes::word(c, t)];
        const typename L::weight_t by = w[t * L::channels + L::lanes::channel(c)];
        sum = acc_t(sum + (Cfg::fabric ? multiply_in_fabric<B, W>(seen, by) : multiply<B, W>(seen, by)));
      }
      acc[c] = acc_t((first ? acc_t(0) : acc[c]) + sum);
      const typename L::bias_t offset = bias[int(set) * V + c];
      const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(acc[c]) + int_t<L::value_bits>(offset));
      if (c < L::tail || !last) value.v[c] = Cfg::activation::template run<Cfg, L::value_bits>(v);
    }
    if (complete) {
      write_beat<V>(out, written, value);
      ++written;
    }
    group = count_t<L::groups>(complete ? 0 : int(group) + 1);
    set = count_t<L::beats>(!complete ? int(set) : last ? 0 : int(set) + 1);
    address = count_t<L::period>(complete && last ? 0 : int(address) + 1);
  }
}

}  // namespace swm

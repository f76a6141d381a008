// SPDX-License-Identifier: Apache-2.0
/// \file offset.h
/// \brief A constant for each value of a frame: y = activation(x + table); positions of the table alone before and after x.
///
/// The sum is exact: the one with fewer fractional bits is shifted to the left. II = 1; iterations: frames * out_positions *
/// ceil(n / V), a beat that leaves each. No multiplier.
///
/// \tparam Cfg  tick, n, before (positions before those that come), positions (that come), out_positions (that go), in_bits,
///              weight_bits, in_shift, weight_shift, out_bits, out_shift, vec = V, rom_banks, rom_lanes (rom_banks * rom_lanes = V;
///              lane i of a beat lies in bank i / rom_lanes), activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct offset_layer {
  enum {
    V = Cfg::vec,
    token_beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (token_beats - 1) * V,  // values of the last beat of a token
    in_beats = Cfg::positions * token_beats,
    out_beats = Cfg::out_positions * token_beats,
    first = Cfg::before * token_beats,
    rom_depth = out_beats,
    value_bits = max_of(Cfg::in_bits + Cfg::in_shift, Cfg::weight_bits + Cfg::weight_shift) + 1,
    prologue = 0,
    period = out_beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int frames) { return frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::positions >= 1, "at least one value");
  static_assert(Cfg::before >= 0 && Cfg::before + Cfg::positions <= Cfg::out_positions, "what comes is among what goes");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "constants have 4 to 18 bits");
  static_assert(Cfg::in_shift >= 0 && Cfg::weight_shift >= 0, "shifts go to the left");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(Cfg::rom_banks * Cfg::rom_lanes == V, "the banks of the ROM hold one beat");
  static_assert(Cfg::rom_lanes * Cfg::weight_bits <= 4096, "a word of a ROM has at most 4,096 bits");
};

/// \param frames  of this call
/// \param table   ROM [bank][beat of the frame][lane], padded with zeros
/// \param in      beats of V channels, `positions` tokens a frame
/// \param out     the same, `out_positions` tokens; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void offset(int frames, const typename offset_layer<Cfg>::weight_t table[Cfg::rom_banks][offset_layer<Cfg>::rom_depth][Cfg::rom_lanes],
            In& in, Out& out) {
  typedef offset_layer<Cfg> L;
  typedef int_t<L::value_bits> value_t;
  constexpr int V = Cfg::vec;
  SWM_PARTITION(table, 1)
  SWM_WIDE_WORD(table, 3)
  const int total = frames * L::period;
  count_t<L::out_beats> place = 0;
  count_t<L::token_beats> beat = 0;
  int come = 0;
OFFSET:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::token_beats - 1;
    const bool reads = int(place) >= L::first && int(place) < L::first + L::in_beats;
    vec<typename L::in_t, V> x;
  OFFSET_CLEAR:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      x.v[i] = 0;
    }
    if (reads) {
      x = read_beat<V, typename L::in_t>(in, come);
      ++come;
    }
    vec<typename L::out_t, V> value;
  OFFSET_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const typename L::weight_t constant = table[i / Cfg::rom_lanes][int(place)][i % Cfg::rom_lanes];
      const value_t v = value_t(value_t(round_shift<-Cfg::in_shift, Cfg::in_bits>(x.v[i])) +
                                value_t(round_shift<-Cfg::weight_shift, Cfg::weight_bits>(constant)));
      const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    place = place == L::out_beats - 1 ? 0 : int(place) + 1;
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm

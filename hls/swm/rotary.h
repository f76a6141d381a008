// SPDX-License-Identifier: Apache-2.0
/// \file rotary.h
/// \brief Rotary position embeddings: y[c] = activation(x[c] cosine[c] + x[partner of c] sine[c]), constants by position.
///
/// Channels c and c + half of each group of 2 half channels are partners. Both products and their sum are exact; the sign
/// of a sine is that of its constant. Tokens share rows of the tables: the first `each` have row 0, the next `each` row 1,
/// and behind the last row comes the first.
///
///   V >= n, or 2 half divides V   both of a pair lie in one beat
///   V divides half                a group is written into one half of a memory while the one before it is read, lower and
///                                 upper channels of each pair side by side, from the other half
///
/// II = 1. Iterations: waits + tokens * ceil(n / V), waits = 0 or, in the second case, 2 half / V. Two multipliers a word.
///
/// \tparam Cfg  tick, n, half, rows, each, in_bits, weight_bits, out_bits, out_shift, vec = V, rom_banks, rom_lanes (rom_banks *
///              rom_lanes = V; lane i of a beat lies in bank i / rom_lanes), activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct rotary_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    whole = V >= Cfg::n || V % (2 * Cfg::half) == 0,
    waits = whole ? 0 : 2 * Cfg::half / V,
    pairs = whole ? 1 : Cfg::half / V,  // beats of half a group
    rom_depth = Cfg::rows * beats,
    in_beats = beats,
    out_beats = beats,
    value_bits = Cfg::in_bits + Cfg::weight_bits + 1,
    prologue = waits,
    period = beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return prologue + tokens * period; }

  static_assert(Cfg::half >= 1 && Cfg::n % (2 * Cfg::half) == 0, "channels are pairs");
  static_assert(Cfg::rows >= 1 && Cfg::each >= 1, "at least one row");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(whole || Cfg::half % V == 0, "a beat holds pairs, or divides half a group");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "constants fit the narrow port of a DSP block");
  static_assert(Cfg::rom_banks * Cfg::rom_lanes == V, "the banks of a ROM hold one beat");
  static_assert(Cfg::rom_lanes * Cfg::weight_bits <= 4096, "a word of a ROM has at most 4,096 bits");
};

/// \param tokens   positions of all frames of this call
/// \param cosines  ROM [bank][row, beat][lane], padded with zeros
/// \param sines    likewise
/// \param in,out   beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void rotary(int tokens, const typename rotary_layer<Cfg>::weight_t cosines[Cfg::rom_banks][rotary_layer<Cfg>::rom_depth][Cfg::rom_lanes],
            const typename rotary_layer<Cfg>::weight_t sines[Cfg::rom_banks][rotary_layer<Cfg>::rom_depth][Cfg::rom_lanes], In& in,
            Out& out) {
  typedef rotary_layer<Cfg> L;
  typedef typename L::in_t in_t;
  constexpr int V = Cfg::vec;
  SWM_PARTITION(cosines, 1)
  SWM_WIDE_WORD(cosines, 3)
  SWM_PARTITION(sines, 1)
  SWM_WIDE_WORD(sines, 3)
  static vec<in_t, V> lower[2 * L::pairs], upper[2 * L::pairs];  // every value is written before it is read
  SWM_WHOLE_WORDS(lower)
  SWM_WHOLE_WORDS(upper)
  const int total = L::iterations(tokens), last_read = tokens * L::period;
  int go = 0;  // beats of this call
  count_t<L::beats> beat = 0;
  count_t<Cfg::each> same = 0;
  count_t<L::rom_depth> first = 0;  // address of the row
  count_t<L::pairs> pair = 0;
  bool above = false, side = false;  // whether channels are the upper ones of their pairs; the half that is written
ROTARY:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    vec<in_t, V> x, other;
    if (L::whole) {
      x = read_beat<V, in_t>(in, step);
    ROTARY_PARTNERS:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        const int there = i / Cfg::half % 2 ? i - Cfg::half : i + Cfg::half;
        other.v[i] = x.v[there < V ? there : i];  // surplus values of a token that is one beat have none
      }
    } else {
      const int from = (side ? 0 : int(L::pairs)) + int(pair), to = (side ? int(L::pairs) : 0) + int(pair);
      x = above ? upper[from] : lower[from];
      other = above ? lower[from] : upper[from];
      if (step < last_read) {
        const vec<in_t, V> come = read_beat<V, in_t>(in, step);
        if (above) {
          upper[to] = come;
        } else {
          lower[to] = come;
        }
      }
    }
    if (step >= L::prologue) {
      const bool last = beat == L::beats - 1;
      const int place = int(first) + int(beat);
      vec<typename L::out_t, V> value;
    ROTARY_LANES:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        const int_t<L::value_bits> one =
            multiply<Cfg::in_bits, Cfg::weight_bits>(x.v[i], cosines[i / Cfg::rom_lanes][place][i % Cfg::rom_lanes]);
        const int_t<L::value_bits> two =
            multiply<Cfg::in_bits, Cfg::weight_bits>(other.v[i], sines[i / Cfg::rom_lanes][place][i % Cfg::rom_lanes]);
        const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(int_t<L::value_bits>(one + two));
        value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
      }
      write_beat<V>(out, go, value);
      ++go;
      const bool next = last && same == Cfg::each - 1;
      if (next) first = count_t<L::rom_depth>(place == L::rom_depth - 1 ? 0 : place + 1);
      same = count_t<Cfg::each>(next ? 0 : int(same) + int(last));
      beat = count_t<L::beats>(last ? 0 : int(beat) + 1);
    }
    const bool turn = pair == L::pairs - 1;
    side = turn && above ? !side : side;
    above = turn ? !above : above;
    pair = count_t<L::pairs>(turn ? 0 : int(pair) + 1);
  }
}

}  // namespace swm

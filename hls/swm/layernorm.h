// SPDX-License-Identifier: Apache-2.0
/// \file layernorm.h
/// \brief Layer normalisation over the channels of each token: y = activation(g (x - mean) / sqrt(variance + epsilon) + b).
///
/// Multiplied by n throughout, so that sums stay integers (docs/arithmetic.md section 6):
///
///   spread = n sum(x^2) - sum(x)^2 + epsilon          exact; 4^h <= spread < 4^(h+1)
///   root   = 1 / sqrt(spread / 4^h)                   by a table of lines, root_frac fractional bits
///   normal = round(round((n x - sum) 2^normal_frac / 2^h) root / 2^root_frac)
///   y      = activation(g normal + b)
///
/// Three processes, so that no sum waits for a root. II = 1 each; iterations: layernorm_sums and layernorm_apply take
/// tokens * ceil(n / V), a beat each, layernorm_root one a token. The token waits in the stream between sums and
/// outputs, whose depth is the double buffer: while one token leaves, the next is summed. A word takes three
/// multipliers (square, root, gain), a token one wide one and one for the table.
///
/// With Cfg::mean_free the sums of x count as zero: an RMS normalisation, y = activation(g x / sqrt(mean(x^2) + epsilon)).
///
/// \tparam Cfg  tick, n, in_bits, weight_bits, bias_bits, out_bits, out_shift; mean_free (may be missing); epsilon_low, epsilon_high (its lower 30 bits
///              and the rest); spread_bits; normal_frac; root_frac, root_step (log2 of a segment of the table); vec = V,
///              rom_banks, rom_lanes (rom_banks * rom_lanes = V; lane i of a beat lies in bank i / rom_lanes), activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

/// Cfg::mean_free where there is one: sum(x) counts as zero, as in an RMS normalisation.
template <class Cfg, class = void>
struct mean_free_of {
  enum { value = 0 };
};
template <class Cfg>
struct mean_free_of<Cfg, decltype(void(int(Cfg::mean_free)))> {
  enum { value = Cfg::mean_free };
};

template <class Cfg>
struct layernorm_layer {
  enum {
    mean_free = mean_free_of<Cfg>::value,
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    growth = clog2(Cfg::n),
    total_bits = Cfg::in_bits + growth,
    sum_bits = 2 * Cfg::in_bits + growth,
    scale_bits = max_of(int(total_bits), 20),
    centred_bits = total_bits + 1,
    normal_bits = Cfg::normal_frac + (growth + 1) / 2 + 2,  // a normalised value is at most sqrt(n)
    narrowed_bits = normal_bits + 1,
    acc_bits = normal_bits + Cfg::weight_bits,
    value_bits = max_of(int(acc_bits), Cfg::bias_bits) + 1,
    root_bits = Cfg::root_frac + 2,
    entry_bits = Cfg::root_frac + 4,  // two bits below the last one of a root, which is at most 1
    root_words = 3 << (Cfg::root_frac - Cfg::root_step),
    rom_depth = beats,
    bias_words = beats * V,
    in_beats = beats,
    out_beats = beats,
    prologue = 0,
    period = beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<sum_bits> sum_t;
  typedef int_t<scale_bits> scale_t;
  typedef int_t<entry_bits> root_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 2, "at least two channels");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "gains fit the narrow port of a DSP block");
  static_assert(2 * total_bits <= Cfg::spread_bits && Cfg::spread_bits <= 62, "spreads fit 62 bits");
  static_assert(Cfg::normal_frac >= 2 && centred_bits + Cfg::normal_frac <= 62, "centred values fit 62 bits");
  static_assert(Cfg::root_step >= 0 && Cfg::root_step <= Cfg::root_frac && Cfg::root_frac <= 18, "roots have up to 18 bits");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(Cfg::rom_banks * Cfg::rom_lanes == V, "the banks of the ROM hold one beat");
  static_assert(Cfg::rom_lanes * Cfg::weight_bits <= 4096 && V * Cfg::bias_bits <= 4096, "a word of a ROM has at most 4,096 bits");
};

/// Sums of a token.
///
/// \param tokens  positions of all frames of this call
/// \param in      beats of V channels; surplus values of the last beat of a token do not count
/// \param token   the same beats
/// \param sums    a beat a token: sum(x), sum(x^2)
template <class Cfg, class In, class Token, class Sums>
void layernorm_sums(int tokens, In& in, Token& token, Sums& sums) {
  typedef layernorm_layer<Cfg> L;
  typedef typename L::sum_t sum_t;
  constexpr int V = Cfg::vec;
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  int done = 0;
  sum_t plain = 0, squares = 0;
SUMS:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(in, step);
    sum_t more = 0, more_squares = 0;
  SUMS_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      if (i < L::tail || !last) {
        if (!L::mean_free) more = sum_t(more + x.v[i]);
        more_squares = sum_t(more_squares + sum_t(multiply<Cfg::in_bits, Cfg::in_bits>(x.v[i], x.v[i])));
      }
    }
    plain = sum_t((beat == 0 ? sum_t(0) : plain) + more);
    squares = sum_t((beat == 0 ? sum_t(0) : squares) + more_squares);
    write_beat<V>(token, step, x);
    if (last) {
      vec<sum_t, 2> both;
      both.v[0] = plain;
      both.v[1] = squares;
      write_beat<2>(sums, done, both);
      ++done;
    }
    beat = last ? 0 : int(beat) + 1;
  }
}

/// The root of a token.
///
/// \param root_rom  ROM [1][segment][start, rise], 2 bits below the last one of a root
/// \param sums      a beat a token: sum(x), sum(x^2)
/// \param scale     a beat a token: sum(x), root, h
template <class Cfg, class Sums, class Scale>
void layernorm_root(int tokens, const typename layernorm_layer<Cfg>::root_t root_rom[1][layernorm_layer<Cfg>::root_words][2], Sums& sums,
                    Scale& scale) {
  typedef layernorm_layer<Cfg> L;
  typedef int_t<Cfg::spread_bits> spread_t;
  typedef typename L::scale_t scale_t;
  enum { M = Cfg::root_frac, step_bits = Cfg::root_step, line_bits = L::entry_bits + step_bits + 2 };
  SWM_PARTITION(root_rom, 1)
  SWM_WIDE_WORD(root_rom, 3)
ROOT:
  for (int token = 0; token < tokens; ++token) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1);
    const vec<typename L::sum_t, 2> both = read_beat<2, typename L::sum_t>(sums, token);
    const int_t<L::total_bits> sum = int_t<L::total_bits>(L::mean_free ? typename L::sum_t(0) : both.v[0]);
    const spread_t epsilon = spread_t(spread_t(spread_t(Cfg::epsilon_high) << 30) + spread_t(Cfg::epsilon_low));
    const spread_t square = spread_t(multiply<L::total_bits, L::total_bits>(sum, sum));
    const spread_t spread = spread_t(spread_t(spread_t(both.v[1]) * spread_t(Cfg::n)) - square + epsilon);
    int h = 0;
  POWER_OF_FOUR:
    for (int i = 1; 2 * i < Cfg::spread_bits; ++i) {
      SWM_UNROLL
      if (spread_t(spread >> (2 * i)) != 0) h = i;
    }
    const int down = 2 * h - M;
    const spread_t moved = down >= 0 ? spread_t(spread >> down) : spread_t(spread << -down);
    const int at = int(moved) - (1 << M), segment = at >> step_bits, place = at & ((1 << step_bits) - 1);
    const int_t<line_bits> start = int_t<line_bits>(round_shift<-step_bits, L::entry_bits>(root_rom[0][segment][0]));
    const int_t<line_bits> gain = int_t<line_bits>(multiply<L::entry_bits, step_bits + 1>(root_rom[0][segment][1], int_t<step_bits + 1>(place)));
    const int_t<line_bits> line = int_t<line_bits>(start + gain);
    vec<scale_t, 3> found;
    found.v[0] = scale_t(sum);
    found.v[1] = scale_t(round_shift<step_bits + 2, line_bits>(line));
    found.v[2] = scale_t(h);
    write_beat<3>(scale, token, found);
  }
}

/// The outputs of a token.
///
/// \param gain   ROM [bank][beat][lane], padded with zeros
/// \param bias   offsets at the binary point of the products, padded with zeros
/// \param scale  a beat a token: sum(x), root, h
/// \param token  beats of V channels
/// \param out    beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class Scale, class Token, class Out>
void layernorm_apply(int tokens, const typename layernorm_layer<Cfg>::weight_t gain[Cfg::rom_banks][layernorm_layer<Cfg>::rom_depth][Cfg::rom_lanes],
                     const typename layernorm_layer<Cfg>::bias_t bias[layernorm_layer<Cfg>::bias_words], Scale& scale, Token& token,
                     Out& out) {
  typedef layernorm_layer<Cfg> L;
  typedef int_t<max_of(L::centred_bits + Cfg::normal_frac, Cfg::spread_bits / 2) + 2> wide_t;  // half of 2^h fits, too
  constexpr int V = Cfg::vec;
  SWM_PARTITION(gain, 1)
  SWM_WIDE_WORD(gain, 3)
  SWM_WIDE_WORDS_OF(bias, V)
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  int taken = 0;
  int_t<L::total_bits> sum = 0;
  int_t<L::root_bits> root = 0;
  int h = 0;
NORMAL:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 2);
    const bool last = beat == L::beats - 1;
    if (beat == 0) {
      const vec<typename L::scale_t, 3> found = read_beat<3, typename L::scale_t>(scale, taken);
      sum = int_t<L::total_bits>(L::mean_free ? typename L::scale_t(0) : found.v[0]);
      root = int_t<L::root_bits>(found.v[1]);
      h = int(found.v[2]);
      ++taken;
    }
    const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(token, step);
    vec<typename L::out_t, V> value;
  NORMAL_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const int_t<L::centred_bits> centred =
          int_t<L::centred_bits>(int_t<L::centred_bits>(int_t<L::centred_bits>(x.v[i]) * int_t<L::centred_bits>(Cfg::n)) - sum);
      const wide_t scaled = wide_t(round_shift<-Cfg::normal_frac, L::centred_bits>(centred));
      const wide_t half = wide_t(wide_t(wide_t(1) << h) >> 1);
      const int_t<L::narrowed_bits> narrowed = int_t<L::narrowed_bits>(wide_t(scaled + half) >> h);
      const int_t<L::narrowed_bits + L::root_bits> product = multiply<L::narrowed_bits, L::root_bits>(narrowed, root);
      const int_t<L::normal_bits> normal = int_t<L::normal_bits>(round_shift<Cfg::root_frac, L::narrowed_bits + L::root_bits>(product));
      const typename L::weight_t g = gain[i / Cfg::rom_lanes][int(beat)][i % Cfg::rom_lanes];
      const int_t<L::value_bits> v = int_t<L::value_bits>(
          int_t<L::value_bits>(multiply<L::normal_bits, Cfg::weight_bits>(normal, g)) + int_t<L::value_bits>(bias[int(beat) * V + i]));
      const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm

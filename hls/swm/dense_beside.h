// SPDX-License-Identifier: Apache-2.0
/// \file dense_beside.h
/// \brief A dense layer that computes several positions at once: all read the same word of weights.
///
/// acc[p][r] = sum over c of W[r][c] x[p][c], exact; then bias, activation, one rounding: the sums of dense.h, `beside` of them
/// side by side, each with multipliers of its own for all m outputs and `columns` inputs. A token is `beside` positions, the
/// channels of each together, in beats as they pass anyway.
///
/// II = 1. Order and iterations: product_walk.h; the input lies in two halves of a memory for each position, and a beat holds
/// what in_vec / columns iterations multiply. All sums of a token are complete together, and leave position after position.
///
/// \tparam Cfg  as in dense.h, with rows = m; beside (positions of a token); columns and in_vec powers of two that divide n,
///              columns <= in_vec; out_vec a power of two that divides beside m
#pragma once

#include "dense.h"

namespace swm {

/// The product of one position, a beat of `columns` inputs an iteration.
template <class Cfg>
struct dense_position : Cfg {
  static constexpr int in_vec = Cfg::columns, out_vec = 1 << clog2(Cfg::m);
};

template <class Cfg>
struct dense_beside_layer : dense_layer<dense_position<Cfg> > {
  typedef dense_layer<dense_position<Cfg> > position;
  enum {
    V = Cfg::in_vec,
    U = Cfg::out_vec,
    words = Cfg::n / V,          // of a position's memory
    parts = V / Cfg::columns,    // of a word
    values = Cfg::beside * Cfg::m,
    beats = values / U,
    bias_words = values
  };
  typedef product_times<words, Cfg::beside, Cfg::beside * words, 1, 1, int(position::column_groups), true, beats, beats> times;
  static constexpr int iterations(int tokens) { return times::iterations(tokens); }

  static_assert(Cfg::beside >= 1 && Cfg::rows == Cfg::m, "all outputs of all positions side by side");
  static_assert(is_power_of_two(V) && is_power_of_two(Cfg::columns) && V % Cfg::columns == 0 && Cfg::n % V == 0,
                "beats end with the positions, and hold whole groups of columns");
  static_assert(is_power_of_two(U) && values % U == 0, "output beats are powers of two and end with the tokens");
  static_assert(V * Cfg::in_bits <= 4096 && U * Cfg::out_bits <= 4096, "no word beyond 4,096 bits");
};

/// \param tokens   of all frames of this call
/// \param weights  ROM, banks of [group of columns][lane]; over all banks, lane row * columns + column
/// \param bias     beside m values at the binary point of the sums: those of every position
/// \param in       n / in_vec beats a position
/// \param out      beside m / out_vec beats a token: [position][row]
template <class Cfg, class In, class Out>
void dense_beside(int tokens,
                  const typename dense_beside_layer<Cfg>::weight_t weights[dense_beside_layer<Cfg>::rom_banks]
                                                                          [dense_beside_layer<Cfg>::rom_depth]
                                                                          [dense_beside_layer<Cfg>::rom_lanes],
                  const typename dense_beside_layer<Cfg>::bias_t bias[dense_beside_layer<Cfg>::bias_words], In& in, Out& out) {
  typedef dense_beside_layer<Cfg> L;
  typedef typename L::position position;
  typedef int_t<L::acc_bits> acc_t;
  typedef vec<typename L::in_t, Cfg::in_vec> stored_t;
  constexpr int P = Cfg::beside, V = Cfg::in_vec, U = Cfg::out_vec, rows = Cfg::m, columns = Cfg::columns;

  SWM_PARTITION(weights, 1)
  SWM_WIDE_WORD(weights, 3)
  SWM_WIDE_WORDS_OF(bias, U)
  stored_t x[P][2 * L::words];
  SWM_PARTITION(x, 1)
  SWM_WHOLE_WORDS(x)
  acc_t acc[P * rows] = {};
  SWM_PARTITION(acc, 0)
  acc_t held[P * rows] = {};  // sums of a token on their way out
  SWM_PARTITION(held, 0)

  product_walk<typename L::times> walk(tokens);
  const int total = L::iterations(tokens);
  int in_beat = 0, out_beat = 0;
  count_t<L::beats> set = 0;  // beat of the token
FLAT:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool load = walk.loads(), active = walk.multiplies(), drain = walk.drains();

    if (load) {
      const stored_t beat = read_beat<V, typename L::in_t>(in, in_beat);
      ++in_beat;
      fill_banks(x, int(walk.load_bank), (walk.half ? 0 : int(L::words)) + int(walk.load_unit), beat);
    }

    if (drain) {
      vec<typename L::out_t, U> value;
    DRAIN_ROWS:
      for (int r = 0; r < U; ++r) {
        SWM_UNROLL
        const typename L::bias_t offset = bias[int(set) * U + r];
        const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(held[r]) + int_t<L::value_bits>(offset));
        value.v[r] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      }
      write_beat<U>(out, out_beat, value);
      ++out_beat;
      set = count_t<L::beats>(int(set) == L::beats - 1 ? 0 : int(set) + 1);
      next_held<U>(held);
    }

    if (active) {
      const int place = (walk.half ? int(L::words) : 0) + int(walk.column) / int(L::parts);
      const int part = int(walk.column) % int(L::parts);
      typename L::weight_t w[rows * columns];
      SWM_PARTITION(w, 0)
      read_rom_word(weights, int(walk.address), w);
      acc_t sums[P * rows];
      SWM_PARTITION(sums, 0)
    POSITIONS:
      for (int p = 0; p < P; ++p) {
        SWM_UNROLL
        const stored_t word = x[p][place];
        typename L::in_t values[columns];
        SWM_PARTITION(values, 0)
      VALUES:
        for (int c = 0; c < columns; ++c) {
          SWM_UNROLL
          values[c] = word.v[part * columns + c];
        }
        acc_t sum[rows];
        SWM_PARTITION(sum, 0)
        row_sums<position>(values, w, sum);
      SUMS:
        for (int r = 0; r < rows; ++r) {
          SWM_UNROLL
          sums[p * rows + r] = sum[r];
        }
      }
      add_to_rows(acc, held, sums, walk.starts(), walk.completes());
    }
    walk.step(load, active, drain);
  }
}

}  // namespace swm

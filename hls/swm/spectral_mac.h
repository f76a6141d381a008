// SPDX-License-Identifier: Apache-2.0
/// \file spectral_mac.h
/// \brief Spectral products of all p x q blocks, summed over the q block columns, rounded once.
///
/// acc[i][w] = sum over j of weights[i][j][w] * X[j][w], word by word of the packed half spectrum; word 0 holds two real
/// bins and multiplies part by part. mac_rows block rows, mac_columns block columns and mac_bins words run side by side;
/// columns are innermost, so that a sum is one register.
///
/// A complex product takes three or four multipliers, see spectral_products.h.
///
/// II = 1. Order and iterations: product_walk.h. Loaded spectra lie in two halves of a memory, one write and one read a
/// cycle: a bank for each of the mac_columns, of whole beats; mac_bins words beyond a beat take several such banks.
/// The sums of a drain group (k <= 16: all words of mac_rows rows; k >= 32: mac_bins words) move into a shift register and
/// leave rounded, ifft_lanes rows a beat, those of rows below p only.
///
/// \tparam Cfg  see circulant.h; words and word order of a beat: natural (k <= 16) or unit order (k >= 32)
#pragma once

#include "count.h"
#include "row_sums.h"
#include "spectral_products.h"

namespace swm {
namespace detail {

/// The one rounding of a spectral sum.
template <class L, int Shift>
inline typename L::rounded_t round_sum(int_t<L::acc_bits> sum) {
  SWM_INLINE
  return saturate<L::rounded_bits, rounded<Shift, L::acc_bits>::bits>(round_shift<Shift, L::acc_bits>(sum));
}

}  // namespace detail

/// \param weights  ROM, banks of [(group of block rows, group of words, group of columns)][lane]; over all banks, lane
///                 ((row * mac_columns + column) * mac_bins + word) * 2 + part; zeros for rows and columns that do not exist
/// \param in       beats of the forward transform
/// \param out      beats of ifft_lanes rows, drain_words rounded words each
template <class Cfg, class In, class Out>
void spectral_mac(int tokens,
                  const typename circulant<Cfg>::weight_t weights[circulant<Cfg>::rom_banks][circulant<Cfg>::rom_depth]
                                                                 [circulant<Cfg>::rom_lanes],
                  In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef typename L::mac_times T;
  typedef detail::mac_cycle<Cfg> M;
  typedef vec<typename L::spectrum_t, L::beat_words * 2> stored_t;
  constexpr int rows = Cfg::mac_rows, columns = Cfg::mac_columns, bins = Cfg::mac_bins, lanes = L::mac_lanes;
  constexpr int beat_words = L::beat_words, subs = max_of(1, bins / beat_words);  // banks that hold mac_bins words together
  constexpr int deep = L::words / beat_words / subs;                              // beats of a block in one of them
  constexpr int sub_bits = log2_of(subs);
  constexpr int kept_words = L::streaming ? L::words - bins : 0, drain_words = L::drain_words, drained = L::ifft_lanes;
  constexpr int slow_rows = L::fabric_rows, fast_rows = rows - slow_rows;

  SWM_PARTITION(weights, 1)
  SWM_WIDE_WORD(weights, 3)
  stored_t x[columns][subs][2 * L::column_groups * deep];
  SWM_PARTITION(x, 1)
  SWM_PARTITION(x, 2)
  SWM_WHOLE_WORDS(x)
  typename M::row_t acc[rows];
  SWM_PARTITION(acc, 0)
  // Sums of the word groups before the last one; all sums of a drain group on their way out.
  typename M::acc_t kept[rows][max_of(1, kept_words)][M::sums];
  SWM_PARTITION(kept, 0)
  typename M::acc_t held[T::beats * drained][drain_words][M::sums];
  SWM_PARTITION(held, 0)

  product_walk<T> walk(tokens);
  const int total = L::mac_iterations(tokens);
  int in_beat = 0, out_beat = 0;
FLAT:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + L::mac_place);
    const bool load = walk.loads(), active = walk.multiplies(), drain = walk.drains();

    if (load) {
      const vec<typename L::spectrum_t, L::x_beat> beat = read_beat<L::x_beat, typename L::spectrum_t>(in, in_beat);
      ++in_beat;
      const int unit = int(walk.load_unit);
      const int place = ((walk.half ? 0 : int(L::column_groups)) + int(walk.load_column)) * deep + (unit >> sub_bits);
    LOAD_COLUMNS:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
        stored_t word;
      LOAD_PARTS:
        for (int part = 0; part < beat_words * 2; ++part) {
          SWM_UNROLL
          word.v[part] = beat.v[c % lanes * (beat_words * 2) + part];
        }
      LOAD_SUBS:
        for (int s = 0; s < subs; ++s) {
          SWM_UNROLL
          // Banks behind the right one are overwritten later, or meet weights of zero: none is left without a value.
          if (c / lanes >= int(walk.load_bank) && s == (unit & (subs - 1))) x[c][s][place] = word;
        }
      }
    }

    if (drain) {
      vec<typename L::rounded_t, L::a_beat> sums;
    DRAIN_ROWS:
      for (int r = 0; r < drained; ++r) {
        SWM_UNROLL
      DRAIN_WORDS:
        for (int w = 0; w < drain_words; ++w) {
          SWM_UNROLL
          typedef int_t<L::acc_bits + 1> wide_t;
          const bool packed = w == 0 && (L::streaming || L::word_groups == 1 || walk.held_first);
          const wide_t a1 = held[r][w][0], a2 = held[r][w][1], a3 = held[r][w][2], a4 = held[r][w][M::sums - 1];
          const bool three = Cfg::products == 3;
          const wide_t re = wide_t(a1 - (three ? a3 : a2)), im = wide_t(three ? wide_t(a1 + a2) : wide_t(a3 + a4));
          const typename M::acc_t sum_re = typename M::acc_t(packed ? a1 : re);
          const typename M::acc_t sum_im = typename M::acc_t(packed ? (three ? a3 : a2) : im);
          sums.v[(r * drain_words + w) * 2] = detail::round_sum<L, Cfg::acc_shift>(sum_re);
          sums.v[(r * drain_words + w) * 2 + 1] = detail::round_sum<L, Cfg::acc_shift>(sum_im);
        }
      }
      write_beat<L::a_beat>(out, out_beat, sums);
      ++out_beat;
    SHIFT_ROWS:
      for (int r = 0; r < (T::beats - 1) * drained; ++r) {
        SWM_UNROLL
      SHIFT_WORDS:
        for (int w = 0; w < drain_words; ++w) {
          SWM_UNROLL
        SHIFT_SUMS:
          for (int t = 0; t < M::sums; ++t) {
            SWM_UNROLL
            held[r][w][t] = held[r + drained][w][t];
          }
        }
      }
    }

    if (active) {
      const int place = ((walk.half ? int(L::column_groups) : 0) + int(walk.column)) * deep +
                        (L::streaming ? 0 : int(walk.word_group));
      typename M::words_t words;
      SWM_PARTITION(words, 0)
    READ_COLUMNS:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
      READ_SUBS:
        for (int s = 0; s < subs; ++s) {
          SWM_UNROLL
          const stored_t word = x[c][s][place];
        READ_BINS:
          for (int b = 0; b < bins / subs; ++b) {
            SWM_UNROLL
            const int from = L::streaming && L::word_groups > 1 ? int(walk.word_group) * bins + b : b;
            words[c][s * (bins / subs) + b].re = word.v[from * 2];
            words[c][s * (bins / subs) + b].im = word.v[from * 2 + 1];
          }
        }
      }
      typename M::weights_t w;
      SWM_PARTITION(w, 0)
      read_rom_word(weights, int(walk.address), w);
      const bool first_words = int(walk.word_group) == 0, start = walk.starts();
    FAST_ROWS:
      for (int o = 0; o < fast_rows; o += L::packed ? 2 : 1) {
        SWM_UNROLL
        if (L::packed) {
          detail::pair_products<Cfg>(words, w, o, start, acc[o], acc[o + L::packed]);
        } else {
          detail::row_products<Cfg, false>(words, w, o, first_words, start, acc[o]);
        }
      }
    SLOW_ROWS:
      for (int o = fast_rows; o < rows; ++o) {
        SWM_UNROLL
        detail::row_products<Cfg, true>(words, w, o, first_words, start, acc[o]);
      }
      const bool sums = walk.sums(), complete = walk.completes();
    HOLD_ROWS:
      for (int o = 0; o < T::beats * drained; ++o) {
        SWM_UNROLL
      HOLD_SUMS:
        for (int t = 0; t < M::sums; ++t) {
          SWM_UNROLL
        HOLD_WORDS:
          for (int d = 0; d < drain_words; ++d) {
            SWM_UNROLL
            // All words of the group: those kept, then the new ones. Word d moves `bins` places forward each time.
            const typename M::acc_t value = o >= rows ? typename M::acc_t(0)
                                            : d < kept_words ? kept[o][d][t] : acc[o][d - kept_words][t];
            if (complete) held[o][d][t] = value;
            if (sums && o < rows && d >= bins && d - bins < kept_words) kept[o][d - bins][t] = value;
          }
        }
      }
    }
    walk.step(load, active, drain);
  }
}

}  // namespace swm

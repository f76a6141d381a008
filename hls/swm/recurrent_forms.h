// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_forms.h
/// \brief The two forms of the products of a recurrent layer: block-circulant, and dense (k = 1).
///
/// A form says what a stored block is, how the products of a row join its sums, and what becomes of the sums: `round` (the
/// one rounding of a spectral sum; nothing for dense sums, which stay exact) and `back` to the k values of a block.
#pragma once

#include "irfft_unrolled.h"
#include "recurrent.h"
#include "rfft_unrolled.h"
#include "spectral_products.h"

namespace swm {
namespace detail {

/// What spectral_products.h and rfft_unrolled.h ask of a configuration: one matrix over the most columns of a phase.
template <class Cfg>
struct recurrent_matrix {
  typedef recurrent<Cfg> L;
  static constexpr int tick = Cfg::tick, k = Cfg::k, m = k;
  static constexpr int n = L::most_blocks * 64 * k;  // 6 bits of the sums are for join_shift
  static constexpr int in_bits = Cfg::in_bits, weight_bits = Cfg::weight_bits, bias_bits = Cfg::bias_bits, out_bits = Cfg::in_bits;
  static constexpr int fft_shifts = Cfg::fft_shifts, acc_shift = Cfg::acc_shift, out_shift = 0, in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = Cfg::mac_rows, mac_columns = Cfg::mac_columns, mac_bins = k / 2, products = Cfg::products;
  static constexpr int rom_banks = Cfg::rom_banks, rom_lanes = Cfg::rom_lanes;
  static constexpr int unrolled = 1;  // whatever the block: the way of a state is short
  typedef identity activation;
};

/// The transform of x in front: a layer of its own inputs.
template <class Cfg>
struct recurrent_front : recurrent_matrix<Cfg> {
  static constexpr int n = Cfg::n, in_vec = Cfg::in_vec, mac_columns = recurrent<Cfg>::in_lanes, mac_rows = 1, rom_banks = 1,
                       rom_lanes = mac_columns * Cfg::k;
};

template <class Cfg, bool Spectral>
struct recurrent_form;

template <class Cfg>
struct recurrent_form<Cfg, true> {
  typedef recurrent<Cfg> L;
  typedef recurrent_matrix<Cfg> M;
  typedef mac_cycle<M> cycle;
  enum { k = Cfg::k, words = k / 2, columns = Cfg::mac_columns };
  typedef vec<typename L::word_t, k> stored_t;
  struct sums_t {
    typename cycle::row_t v;
  };
  typedef vec<int_t<L::rounded_bits>, k> rounded_t;

  static void products(const stored_t x[columns], const typename cycle::weights_t& w, int row, bool start, sums_t& acc) {
    SWM_INLINE
    typename cycle::words_t words_of;
    SWM_PARTITION(words_of, 0)
  FORM_COLUMNS:
    for (int c = 0; c < columns; ++c) {
      SWM_UNROLL
    FORM_WORDS:
      for (int b = 0; b < words; ++b) {
        SWM_UNROLL
        words_of[c][b].re = x[c].v[2 * b];
        words_of[c][b].im = x[c].v[2 * b + 1];
      }
    }
    row_products<M, false>(words_of, w, row, true, start, acc.v);
  }

  /// Sums over x at the binary point of those over h.
  static void join(sums_t& acc) {
    SWM_INLINE
    typedef int_t<L::acc_bits> acc_t;
  FORM_JOIN:
    for (int w = 0; w < words; ++w) {
      SWM_UNROLL
    FORM_JOIN_SUMS:
      for (int t = 0; t < cycle::sums; ++t) {
        SWM_UNROLL
        acc.v[w][t] = acc_t(acc.v[w][t] * acc_t(1 << Cfg::join_shift));
      }
    }
  }

  template <int Shift>
  static rounded_t round(const sums_t& acc) {
    SWM_INLINE
    typedef int_t<L::acc_bits + 1> wide_t;
    typedef int_t<L::acc_bits> acc_t;
    constexpr bool three = Cfg::products == 3;
    rounded_t out;
  FORM_COMPLEX:
    for (int w = 0; w < words; ++w) {
      SWM_UNROLL
      const wide_t a1 = acc.v[w][0], a2 = acc.v[w][1], a3 = acc.v[w][2], a4 = acc.v[w][Cfg::products - 1];
      const wide_t re = wide_t(a1 - (three ? a3 : a2)), im = wide_t(three ? wide_t(a1 + a2) : wide_t(a3 + a4));
      const acc_t sum_re = acc_t(w == 0 ? a1 : re), sum_im = acc_t(w == 0 ? (three ? a3 : a2) : im);
      out.v[2 * w] = saturate<L::rounded_bits, rounded<Shift, L::acc_bits>::bits>(round_shift<Shift, L::acc_bits>(sum_re));
      out.v[2 * w + 1] = saturate<L::rounded_bits, rounded<Shift, L::acc_bits>::bits>(round_shift<Shift, L::acc_bits>(sum_im));
    }
    return out;
  }

  static void back(const rounded_t& in, int_t<L::sum_bits> y[k]) {
    SWM_INLINE
    typedef circulant<M> C;
    cplx<C::inverse_pass_bits> a[words];
    SWM_PARTITION(a, 0)
  FORM_PARTS:
    for (int w = 0; w < words; ++w) {
      SWM_UNROLL
      a[w].re = in.v[2 * w];
      a[w].im = in.v[2 * w + 1];
    }
    inverse_block<k, C::inverse_pass_bits, C::inverse_bits, C::inverse_turn_bits, Cfg::fft_shifts>::run(a, y);
  }

  static stored_t forward(const typename L::in_t x[k]) {
    SWM_INLINE
    cplx<L::word_bits> y[words];
    SWM_PARTITION(y, 0)
    forward_block<k, Cfg::in_bits, L::word_bits, Cfg::fft_shifts>::run(x, y);
    stored_t out;
  FORM_SPECTRUM:
    for (int w = 0; w < words; ++w) {
      SWM_UNROLL
      out.v[2 * w] = y[w].re;
      out.v[2 * w + 1] = y[w].im;
    }
    return out;
  }
};

template <class Cfg>
struct recurrent_form<Cfg, false> {
  typedef recurrent<Cfg> L;
  enum { columns = Cfg::mac_columns, weights = L::rom_banks * L::rom_lanes };
  typedef vec<typename L::word_t, 1> stored_t;
  typedef int_t<L::acc_bits> acc_t;
  struct sums_t {
    acc_t v;
  };
  typedef acc_t rounded_t;

  static void products(const stored_t x[columns], const typename L::weight_t (&w)[weights], int row, bool start, sums_t& acc) {
    SWM_INLINE
    acc_t sum = 0;
  FORM_COLUMNS:
    for (int c = 0; c < columns; ++c) {
      SWM_UNROLL
      sum = acc_t(sum + multiply<L::word_bits, L::weight_width>(x[c].v[0], w[row * columns + c]));
    }
    const acc_t before = start ? acc_t(0) : acc.v;
    acc.v = acc_t(before + sum);
  }

  static void join(sums_t& acc) {
    SWM_INLINE
    acc.v = acc_t(acc.v * acc_t(1 << Cfg::join_shift));
  }

  template <int Shift>
  static rounded_t round(const sums_t& acc) {
    SWM_INLINE
    return acc.v;
  }

  static void back(const rounded_t& in, int_t<L::sum_bits> y[1]) {
    SWM_INLINE
    y[0] = in;
  }

  static stored_t forward(const typename L::in_t x[1]) {
    SWM_INLINE
    stored_t out;
    out.v[0] = x[0];
    return out;
  }
};

}  // namespace detail

/// The transforms of x in front of a block-circulant layer.
///
/// \param in   ceil(n / in_vec) beats of in_vec values a token
/// \param out  `loads` beats of in_lanes blocks of k integers: packed half spectra
template <class Cfg, class In, class Out>
void recurrent_input(int tokens, In& in, Out& out) {
  rfft_unrolled<detail::recurrent_front<Cfg> >(tokens, in, out);
}

}  // namespace swm

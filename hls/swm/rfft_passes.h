// SPDX-License-Identifier: Apache-2.0
/// \file rfft_passes.h
/// \brief Forward real transforms of the q blocks of a layer's input, k >= 32: a process for every pass.
///
/// Decimation in time without bit reversal (docs/arithmetic.md section 2): sub-transform r of a pass joins sub-transforms r
/// and r + k/N of the one before, so operands lie at u and u + k/4 in every pass. Stages 1 and 2 are one pass without
/// multiplications (rfft_load); then one stage a pass (rfft_pass<3> to rfft_pass<log2 k>). fft_lanes = max(1, in_vec / 4)
/// blocks run side by side on the same addresses and twiddles.
///
/// X[i] = sum over t of x[t] W_k^(i t), W_k = exp(-2 pi j / k), i = 0 .. k/2; word 0 packs the real bins 0 and k/2, word
/// i is X[i]: k in_bits integers in, k/2 words of two spectrum_bits integers out. The last fft_shifts stages halve.
///
/// A beat between passes is one unit: fft_lanes times (first word, second word), re and im: fft_lanes * 4 integers. Unit u of
/// stage log2 N gives words base + i and base + N/2 - i (i = 0: base and base + N/4), i = u mod N/4, base = 2 (u - i). From
/// the last stage these are words u and k/2 - u (unit 0: 0 and k/4), in the order u = 0 .. k/4 - 1, for every group of blocks.
///
/// rfft_load: II = 1. Iterations: T + tokens * groups * T, T = group_time = fft_lanes k / in_vec, groups = ceil(q / fft_lanes).
/// Iteration i reads beat i of the blocks with their padding (behind ceil(n / in_vec) beats of a token it reads nothing);
/// unit u of group g (counted over the call) leaves at iteration (g + 1) T + u T / (k/4).
/// Memory: 4 fft_lanes banks of k/2 values of in_bits.
///
/// rfft_pass: II = pass_ii = max(1, 4 / in_vec). Iterations: k/4 + tokens * groups * k/4. Iteration i reads beat i and writes
/// beat i - k/4. Three multipliers a lane (stage 3: none), shared over II cycles. Memory: 2 banks a lane of k/2 words, each
/// twice as many bits as a part has after the stage before: in_bits + min(stage - 1, log2 k - fft_shifts).
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "count.h"
#include "passes.h"

namespace swm {
namespace detail {

/// Widths of stage `Stage`: every growing stage adds one bit to the data.
template <class Cfg, int Stage>
struct forward_stage {
  enum {
    grown = int(circulant<Cfg>::stages) - Cfg::fft_shifts,
    bits_before = Cfg::in_bits + min_of(Stage - 1, grown),
    bits = Cfg::in_bits + min_of(Stage, grown),
    halves = Stage > grown
  };
};

/// Stages 1 and 2: four real points to the two packed words of their spectrum; Halvings of the stages halve.
template <int B, int Halvings, class T>
inline void forward_points(const int_t<B>* x, T* word, int at) {
  SWM_INLINE
  typedef int_t<B + 2> sum_t;
  const sum_t x0 = x[at], x1 = x[at + 1], x2 = x[at + 2], x3 = x[at + 3];
  const sum_t t0 = sum_t(x0 + x2), t2 = sum_t(x1 + x3);
  word[at] = T(round_shift<Halvings, B + 2>(sum_t(t0 + t2)));
  word[at + 1] = T(round_shift<Halvings, B + 2>(sum_t(t0 - t2)));
  word[at + 2] = T(round_shift<Halvings, B + 2>(sum_t(x0 - x2)));
  word[at + 3] = T(round_shift<Halvings, B + 2>(sum_t(x3 - x1)));
}

/// One unit of stage N: e and o are words i of two spectra of N/2 points of W bits; the words have WO bits.
template <int Stage, int W, int WO, class T>
inline void forward_unit(const cplx<W>& e, const cplx<W>& o, bool packed, const twiddle<Stage>& turn, T* word, int at) {
  SWM_INLINE
  typedef int_t<W + 2> sum_t;
  enum { halving = WO == W };
  int_t<W + 19> wide_re, wide_im;
  turn.template forward<W>(o, wide_re, wide_im);
  // |o| cos and sin stay below 2^(W+16), so a rotated part fits W + 1 bits.
  const sum_t t_re = sum_t(round_shift<16, W + 19>(wide_re)), t_im = sum_t(round_shift<16, W + 19>(wide_im));
  const sum_t e_re = e.re, e_im = e.im, o_re = o.re, o_im = o.im;
  // Word 0 holds two real bins: they meet the real bins of the other half without a rotation.
  word[at] = T(round_shift<halving, W + 2>(packed ? sum_t(e_re + o_re) : sum_t(e_re + t_re)));
  word[at + 1] = T(round_shift<halving, W + 2>(packed ? sum_t(e_re - o_re) : sum_t(e_im + t_im)));
  word[at + 2] = T(round_shift<halving, W + 2>(packed ? e_im : sum_t(e_re - t_re)));
  word[at + 3] = T(round_shift<halving, W + 2>(packed ? sum_t(-o_im) : sum_t(t_im - e_im)));
}

}  // namespace detail

/// Collects blocks and transforms them by stages 1 and 2.
///
/// \param in   ceil(n / in_vec) beats of in_vec values a token
/// \param out  units of the first pass (words 2u and 2u + 1), k/4 beats a group
template <class Cfg, class In, class Out>
void rfft_load(int tokens, In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef typename L::in_t in_t;
  typedef typename L::spectrum_t word_t;
  static_assert(!L::streaming, "blocks of at most 16 points are transformed at once");
  constexpr int lanes = L::fft_lanes, V = L::in_vec, units = L::units, beats = lanes * 4;
  typedef detail::corner<units, lanes, V> C;
  constexpr int banks = C::banks, part = C::part, together = C::together, time = C::time, period = L::fft_groups * time;
  constexpr int halvings = max_of(0, 2 - detail::forward_stage<Cfg, 1>::grown);

  in_t x[banks][2 * units];
  SWM_PARTITION(x, 1)
  const int total = L::rfft_load_iterations(tokens), loads = total - time;
  count_t<period> place = 0;  // of the input beat, among those of a token and their padding
  count_t<2 * units> half = 0;
  int in_beat = 0, out_beat = 0;
LOAD:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const int now = int(place) & (time - 1);
    vec<in_t, V> value;
  ZERO:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      value.v[i] = 0;
    }
    if (step < loads && int(place) < int(L::in_beats)) {
      value = read_beat<V, in_t>(in, in_beat);
      ++in_beat;
    }
    if (step >= time && (now & (C::every - 1)) == 0) {
      const int u = now >> C::every_bits;
      in_t point[banks];
      SWM_PARTITION(point, 1)
    FETCH:
      for (int b = 0; b < banks; ++b) {
        SWM_UNROLL
        point[b] = x[b][(units - int(half)) + u];
      }
      detail::rotate_lanes<banks, together, C::part_bits>(point, u & (part - 1));
      vec<word_t, beats> words;
    LOAD_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        detail::forward_points<Cfg::in_bits, halvings>(point, words.v, 4 * lane);
      }
      write_beat<beats>(out, out_beat, words);
      ++out_beat;
    }
    if (step < loads) {
      in_t turned[banks];
      SWM_PARTITION(turned, 1)
    ARRANGE:
      for (int s = 0; s < banks; ++s) {
        SWM_UNROLL
        turned[s] = s < V ? value.v[((s & (together - 1)) * part + (s >> C::together_bits)) & (V - 1)] : in_t(0);
      }
      const int first = now >> C::deep_bits;  // (4 lane + m) / together of the first value
      const int start = (now & (C::deep - 1)) * part;
      detail::rotate_lanes<banks, together, C::turn_bits>(turned, (C::turns - first) & (C::turns - 1));
    STORE:
      for (int b = 0; b < banks; ++b) {
        SWM_UNROLL
        const int s = (b - first * together) & (banks - 1);
        if (s < V) x[b][int(half) + start + (s >> C::together_bits)] = turned[b];
      }
    }
    if (now == time - 1) half = units - int(half);
    place = int(place) == period - 1 ? 0 : int(place) + 1;
  }
}

/// Stage log2 N of all blocks.
///
/// \param in   units of the stage before
/// \param out  units of this stage
template <class Cfg, int Stage, class In, class Out>
void rfft_pass(int tokens, In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef typename L::spectrum_t word_t;
  static_assert(!L::streaming && Stage >= 3 && Stage <= L::stages, "stages 3 to log2 k, k at least 32");
  constexpr int lanes = L::fft_lanes, units = L::units, beats = lanes * 4, ii = L::pass_ii;
  static_assert(ii == 1 || lanes == 1, "a slow pass has one lane");
  constexpr int quarter = 1 << (Stage - 2), before = quarter / 2;  // N/4, and that of the stage before
  enum { W = detail::forward_stage<Cfg, Stage>::bits_before, WO = detail::forward_stage<Cfg, Stage>::bits };
  typedef detail::pass_banks<units, before> banks;

  cplx<W> buffer[2][2 * units][lanes];
  SWM_PARTITION(buffer, 1)
  SWM_PARTITION(buffer, 3)
  const int total = L::rfft_pass_iterations(tokens), loads = total - units;
  count_t<units> unit = 0;
  count_t<2 * units> half = 0;
PASS:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE_II(ii)
    SWM_TICK(Cfg::tick + Stage - 2);
    const int u = int(unit);
    vec<word_t, beats> taken;
    if (step < loads) taken = read_beat<beats, word_t>(in, step);
    if (step >= units) {
      const int i = u & (quarter - 1);
      const detail::twiddle<Stage> turn(i);
      const bool swapped = banks::bank(u) != 0;
      vec<word_t, beats> words;
    PASS_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        const cplx<W> a = buffer[0][(units - int(half)) + u][lane], b = buffer[1][(units - int(half)) + u][lane];
        cplx<W> e, o;
        e.re = swapped ? b.re : a.re;
        e.im = swapped ? b.im : a.im;
        o.re = swapped ? a.re : b.re;
        o.im = swapped ? a.im : b.im;
        detail::forward_unit<Stage, W, WO>(e, o, i == 0, turn, words.v, 4 * lane);
      }
      write_beat<beats>(out, step - units, words);
    }
    if (step < loads) {
      const detail::pass_words<before> at(u);
      const int low = banks::address(at.low), high = banks::address(at.high), low_bank = banks::bank(at.low);
    STORE_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        cplx<W> a, b;
        a.re = int_t<W>(low_bank == 0 ? taken.v[4 * lane] : taken.v[4 * lane + 2]);
        a.im = int_t<W>(low_bank == 0 ? taken.v[4 * lane + 1] : taken.v[4 * lane + 3]);
        b.re = int_t<W>(low_bank == 0 ? taken.v[4 * lane + 2] : taken.v[4 * lane]);
        b.im = int_t<W>(low_bank == 0 ? taken.v[4 * lane + 3] : taken.v[4 * lane + 1]);
        buffer[0][int(half) + (low_bank == 0 ? low : high)][lane] = a;
        buffer[1][int(half) + (low_bank == 0 ? high : low)][lane] = b;
      }
    }
    if (u == units - 1) half = units - int(half);
    unit = u == units - 1 ? 0 : u + 1;
  }
}

}  // namespace swm

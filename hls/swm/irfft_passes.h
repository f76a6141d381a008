// SPDX-License-Identifier: Apache-2.0
/// \file irfft_passes.h
/// \brief Inverse real transforms of the p blocks of a layer's output, k >= 32, a process for every pass; bias, activation.
///
/// Decimation in frequency, the mirror of rfft_passes.h (docs/arithmetic.md section 4): a unit of stage N splits two words of
/// a spectrum of N points into one word of its even and one of its odd samples. The first log2(k) - fft_shifts stages halve,
/// so the gain of both transforms together is one; nothing saturates before the end. Stages log2 k to 3 are a pass each
/// (irfft_pass<log2 k> also collects what spectral_mac drains: irfft_collect), stages 2 and 1 one pass without
/// multiplications (irfft_store). ifft_lanes = max(1, out_vec / 4) block rows run side by side.
///
/// y[t] = 2^-(log2 k - fft_shifts) sum over i of A[i] W_k^(-i t), the sum over all k bins (A[k-i] = conj A[i]);
/// k/2 words of two rounded_bits integers in, k integers of inverse_bits, m of out_bits out.
///
/// A beat between passes is one unit: ifft_lanes times (word u, word u + k/4), re and im, of inverse_pass_bits each, in the
/// order u = 0 .. k/4 - 1, for every one of the row beats R = ceil(p / ifft_lanes).
///
/// irfft_collect: II = inverse_ii = max(1, 4 / out_vec), as all passes. In: (group of rows g, group of words f, row beat o),
/// ifft_lanes rows of mac_bins words a beat. A slot emits the units of one group of rows, RB_g row beats of k/4, and reads the
/// next group's RB_g' FG beats (FG = word groups; RB = ceil(mac_rows / ifft_lanes), of the last group: of the rows < p).
///   slot = RB k/4 iterations; of the last group max(RB_last k/4, RB_0 FG).
///   Iterations: slot_last + tokens * ((row_groups - 1) RB k/4 + slot_last); the prologue is a last slot that emits nothing.
///   Beat b of the next group is read at iteration b * step of a slot, step = floor(slot / (beats of that group));
///   unit i of the slot's group leaves at iteration i.
/// Memory: mac_bins / 2 banks of 2 RB FG words of ifft_lanes * 4 values of rounded_bits.
///
/// irfft_pass: Iterations: k/4 + tokens * R * k/4. Iteration i reads beat i and writes beat i - k/4. Three multipliers a lane
/// (stage 3: none). Memory: 2 banks a lane of k/2 words, twice rounded_bits + 1 + (growing stages so far) bits.
///
/// irfft_store: see irfft_store.h.
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "count.h"
#include "irfft_store.h"

namespace swm {
namespace detail {

/// void, for functions of which only one takes part. Without a header of the standard library: the generic flavour has none.
template <bool Condition>
struct only_if {};
template <>
struct only_if<true> {
  typedef void type;
};

/// Widths of stage `Stage`: the first stage adds one bit, and so does every growing one.
template <class Cfg, int Stage>
struct inverse_stage {
  enum {
    stages = circulant<Cfg>::stages,
    halvings = int(stages) - Cfg::fft_shifts,
    done = int(stages) - Stage,  // stages before
    bits_before = int(circulant<Cfg>::rounded_bits) + (int(done) == 0 ? 0 : 1 + max_of(0, int(done) - int(halvings))),
    bits = int(circulant<Cfg>::rounded_bits) + 1 + max_of(0, int(done) + 1 - int(halvings)),
    halves = int(done) < int(halvings)
  };
};

/// One unit of stage N: x and y are words i and N/2 - i (unit 0: words 0 and N/4) of W bits.
template <int Stage, int W, bool Halves, class T>
inline void inverse_unit(const cplx<W>& x, const cplx<W>& y, bool packed, const twiddle<Stage>& turn, T* word, int at) {
  SWM_INLINE
  typedef int_t<W + 1> sum_t;
  const sum_t x_re = x.re, x_im = x.im, y_re = y.re, y_im = y.im;
  cplx<W + 1> d;
  d.re = sum_t(x_re - y_re);
  d.im = sum_t(x_im + y_im);
  int_t<W + 20> wide_re, wide_im;
  turn.template inverse<W + 1>(d, wide_re, wide_im);
  word[at] = T(round_shift<Halves, W + 1>(packed ? sum_t(x_re + x_im) : sum_t(x_re + y_re)));
  word[at + 1] = T(round_shift<Halves, W + 1>(packed ? sum_t(y_re + y_re) : sum_t(x_im - y_im)));
  const T odd_re = T(round_shift<Halves, W + 1>(sum_t(x_re - x_im)));
  const T odd_im = T(round_shift<Halves, W + 2>(int_t<W + 2>(-(int_t<W + 2>(y_im) + int_t<W + 2>(y_im)))));
  word[at + 2] = packed ? odd_re : T(round_shift<16 + Halves, W + 20>(wide_re));
  word[at + 3] = packed ? odd_im : T(round_shift<16 + Halves, W + 20>(wide_im));
}

}  // namespace detail

/// Iterations of the collecting pass; the schedule counts with the same formulas.
template <class Cfg>
struct collect_times {
  typedef circulant<Cfg> L;
  enum {
    units = L::units,
    word_groups = L::word_groups,
    last_rows = ceil_div(int(L::p) - (int(L::row_groups) - 1) * int(L::mac_rows), L::ifft_lanes),        // RB_last
    rows = int(L::row_groups) == 1 ? int(last_rows) : ceil_div(L::mac_rows, L::ifft_lanes),              // RB
    slot = int(rows) * int(units),
    last_slot = max_of(int(last_rows) * int(units), int(rows) * int(word_groups)),
    step = int(slot) / (int(rows) * int(word_groups)),                // reading a whole group
    step_to_last = int(slot) / (int(last_rows) * int(word_groups)),   // reading the last group
    step_from_last = int(last_slot) / (int(rows) * int(word_groups)),  // reading group 0
    period = (int(L::row_groups) - 1) * int(slot) + int(last_slot)
  };
  static constexpr int iterations(int tokens) { return last_slot + tokens * period; }
};

/// Stage log2 k of all blocks, from the beats of spectral_mac.
///
/// \param in   beats of ifft_lanes rows of mac_bins words, positions 2u and 2u + 1 being words u and k/2 - u (0: 0 and k/4)
/// \param out  units of this stage
template <class Cfg, class In, class Out>
void irfft_collect(int tokens, In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef collect_times<Cfg> times;
  typedef typename L::inverse_pass_t word_t;
  static_assert(!L::streaming, "blocks of at most 16 points are transformed at once");
  constexpr int lanes = L::ifft_lanes, units = L::units, beats = lanes * 4, ii = L::inverse_ii, groups = L::row_groups;
  constexpr int words = L::mac_bins, banks = words / 2, bank_bits = log2_of(banks), word_groups = L::word_groups;
  static_assert(ii == 1 || lanes == 1, "a slow pass has one lane");
  enum { W = L::rounded_bits, halves = detail::inverse_stage<Cfg, L::stages>::halves };

  cplx<W> buffer[banks][2 * times::rows][word_groups][lanes][2];
  SWM_PARTITION(buffer, 1)
  SWM_PARTITION(buffer, 4)
  SWM_PARTITION(buffer, 5)
  const int total = times::iterations(tokens), loads = total - times::last_slot;
  count_t<groups> group = groups - 1;            // whose units leave
  count_t<max_of(times::slot, times::last_slot)> place = 0;  // iteration of the slot
  count_t<units> unit = 0;
  count_t<times::rows> row = 0;
  count_t<2 * times::rows> half = 0;             // first row of the buffer that is being filled
  count_t<times::rows> in_row = 0;
  count_t<word_groups> in_words = 0;             // word_groups: this slot reads no more
  count_t<max_of(times::step_to_last, times::step_from_last)> wait = 0;
  int in_beat = 0, out_beat = 0;
COLLECT:
  for (int now = 0; now < total; ++now) {
    SWM_PIPELINE_II(ii)
    SWM_TICK(Cfg::tick + L::stages);
    const bool last = int(group) == groups - 1;
    const int u = int(unit), emitted = last ? int(times::last_rows) : int(times::rows);
    const bool takes = now < loads && int(in_words) < word_groups && int(wait) == 0;
    vec<typename L::rounded_t, L::a_beat> sums;
    if (takes) sums = read_beat<L::a_beat, typename L::rounded_t>(in, in_beat);
    if (now >= int(times::last_slot) && int(row) < emitted) {
      const detail::twiddle<L::stages> turn(u);
      const int at = int(times::rows) - int(half) + int(row), f = u >> bank_bits;
      vec<word_t, beats> result;
    COLLECT_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        cplx<W> x[banks], y[banks];
        SWM_PARTITION(x, 1)
        SWM_PARTITION(y, 1)
      COLLECT_FETCH:
        for (int b = 0; b < banks; ++b) {
          SWM_UNROLL
          x[b] = buffer[b][at][f][lane][0];
          y[b] = buffer[b][at][f][lane][1];
        }
        const cplx<W> a = x[u & (banks - 1)], b = y[u & (banks - 1)];
        detail::inverse_unit<L::stages, W, halves>(a, b, u == 0, turn, result.v, 4 * lane);
      }
      write_beat<beats>(out, out_beat, result);
      ++out_beat;
    }
    const bool to_last = groups == 1 || int(group) == groups - 2;
    if (takes) {
    COLLECT_STORE:
      for (int b = 0; b < banks; ++b) {
        SWM_UNROLL
      COLLECT_ROWS:
        for (int lane = 0; lane < lanes; ++lane) {
          SWM_UNROLL
          const int at = (lane * words + 2 * b) * 2;
          cplx<W> first, second;
          first.re = sums.v[at];
          first.im = sums.v[at + 1];
          second.re = sums.v[at + 2];
          second.im = sums.v[at + 3];
          buffer[b][int(half) + int(in_row)][int(in_words)][lane][0] = first;
          buffer[b][int(half) + int(in_row)][int(in_words)][lane][1] = second;
        }
      }
      ++in_beat;
      const bool next_words = int(in_row) == (to_last ? int(times::last_rows) : int(times::rows)) - 1;
      in_words = next_words ? int(in_words) + 1 : int(in_words);
      in_row = next_words ? 0 : int(in_row) + 1;
    }
    const int step = last ? int(times::step_from_last) : to_last ? int(times::step_to_last) : int(times::step);
    wait = int(wait) == 0 ? step - 1 : int(wait) - 1;
    row = u == units - 1 && int(row) < emitted ? int(row) + 1 : int(row);
    unit = u == units - 1 ? 0 : u + 1;
    if (int(place) == (last ? int(times::last_slot) : int(times::slot)) - 1) {
      place = 0;
      unit = 0;
      row = 0;
      in_row = 0;
      in_words = 0;
      wait = 0;
      half = int(times::rows) - int(half);
      group = last ? 0 : int(group) + 1;
    } else {
      place = int(place) + 1;
    }
  }
}

/// The same under the name of its stage.
template <class Cfg, int Stage, class In, class Out>
typename detail::only_if<(Stage == circulant<Cfg>::stages)>::type irfft_pass(int tokens, In& in, Out& out) {
  SWM_INLINE
  irfft_collect<Cfg>(tokens, in, out);
}

/// Stage log2 N of all blocks, N < k.
///
/// \param in   units of the stage before
/// \param out  units of this stage
template <class Cfg, int Stage, class In, class Out>
typename detail::only_if<(Stage != circulant<Cfg>::stages)>::type irfft_pass(int tokens, In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef typename L::inverse_pass_t word_t;
  static_assert(!L::streaming && Stage >= 3 && Stage < L::stages, "stages log2 k to 3, k at least 32");
  constexpr int lanes = L::ifft_lanes, units = L::units, beats = lanes * 4, ii = L::inverse_ii;
  constexpr int quarter = 1 << (Stage - 2);
  static_assert(ii == 1 || lanes == 1, "a slow pass has one lane");
  enum { W = detail::inverse_stage<Cfg, Stage>::bits_before, halves = detail::inverse_stage<Cfg, Stage>::halves };
  typedef detail::pass_banks<units, quarter> banks;

  cplx<W> buffer[2][2 * units][lanes];
  SWM_PARTITION(buffer, 1)
  SWM_PARTITION(buffer, 3)
  const int total = L::irfft_pass_iterations(tokens), loads = total - units;
  count_t<units> unit = 0;
  count_t<2 * units> half = 0;
PASS:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE_II(ii)
    SWM_TICK(Cfg::tick + 2 * L::stages - Stage);
    const int u = int(unit);
    vec<word_t, beats> taken;
    if (step < loads) taken = read_beat<beats, word_t>(in, step);
    if (step >= units) {
      const int i = u & (quarter - 1);
      const detail::twiddle<Stage> turn(i);
      const detail::pass_words<quarter> at(u);
      const int other = units - int(half);
      const int low = other + banks::address(at.low), high = other + banks::address(at.high), low_bank = banks::bank(at.low);
      vec<word_t, beats> words;
    PASS_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        const cplx<W> a = buffer[0][low_bank == 0 ? low : high][lane], b = buffer[1][low_bank == 0 ? high : low][lane];
        cplx<W> x, y;
        x.re = low_bank == 0 ? a.re : b.re;
        x.im = low_bank == 0 ? a.im : b.im;
        y.re = low_bank == 0 ? b.re : a.re;
        y.im = low_bank == 0 ? b.im : a.im;
        detail::inverse_unit<Stage, W, halves>(x, y, i == 0, turn, words.v, 4 * lane);
      }
      write_beat<beats>(out, step - units, words);
    }
    if (step < loads) {
      const bool swapped = banks::bank(u) != 0;
    STORE_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        cplx<W> a, b;
        a.re = int_t<W>(swapped ? taken.v[4 * lane + 2] : taken.v[4 * lane]);
        a.im = int_t<W>(swapped ? taken.v[4 * lane + 3] : taken.v[4 * lane + 1]);
        b.re = int_t<W>(swapped ? taken.v[4 * lane] : taken.v[4 * lane + 2]);
        b.im = int_t<W>(swapped ? taken.v[4 * lane + 1] : taken.v[4 * lane + 3]);
        buffer[0][int(half) + u][lane] = a;
        buffer[1][int(half) + u][lane] = b;
      }
    }
    if (u == units - 1) half = units - int(half);
    unit = u == units - 1 ? 0 : u + 1;
  }
}

}  // namespace swm

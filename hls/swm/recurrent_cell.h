// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_cell.h
/// \brief The arithmetic of one cell of an LSTM, GRU or RNN (docs/arithmetic.md section 8): gates, state, output.
///
/// Gates are words of in_bits at the binary points of their activations; a state has state_bits. Sums come at the binary
/// point of the products, with biases added; a peephole or a reset joins them, rounded to that point.
///
///   LSTM   c' = f c + i g        h = o tanh(c')          f c moves left by kept_shift, i g by new_shift, their sum right by
///                                                        state_shift
///   GRU    s' = n + z (s - n)    h = s'                  s moves left by kept_shift, n by new_shift; the sum right by
///                                                        state_shift
///   RNN    h = f(v)
///
/// No loop: a caller's pipeline takes out_vec cells a cycle.
#pragma once

#include "finish.h"
#include "recurrent.h"

namespace swm {
namespace detail {

/// What an activation policy of finish.h reads.
template <int Bits, int Shift>
struct gate_words {
  static constexpr int out_bits = Bits, out_shift = Shift;
};

template <class Cfg>
struct cell_math {
  typedef recurrent<Cfg> L;
  typedef typename L::in_t in_t;
  typedef typename L::state_t state_t;
  enum { B = Cfg::in_bits, C = Cfg::state_bits, V = L::value_bits, W = V + 2 };  // W: of a sum that another product joined
  typedef int_t<W> sum_t;

  static sum_t clipped(sum_t v) {
    SWM_INLINE
    if (!Cfg::clip) return v;
    typedef int_t<62> wide_t;
    const wide_t bound = wide_t(wide_t(wide_t(Cfg::clip_high) * wide_t(1 << 30)) + wide_t(Cfg::clip_low));
    const wide_t wide = wide_t(v), low = wide_t(-bound);
    const wide_t upper = wide > bound ? bound : wide;
    return sum_t(upper < low ? low : upper);
  }
  static in_t f(sum_t v) {
    SWM_INLINE
    return Cfg::gate_f::template run<gate_words<B, Cfg::f_shift>, W>(clipped(v));
  }
  static in_t g(sum_t v) {
    SWM_INLINE
    return Cfg::gate_g::template run<gate_words<B, Cfg::g_shift>, W>(clipped(v));
  }
  /// A peephole's product at the binary point of the sums.
  static sum_t seen(typename L::bias_t weight, state_t c) {
    SWM_INLINE
    enum { bits = Cfg::weight_bits + C };
    const int_t<Cfg::weight_bits> w = int_t<Cfg::weight_bits>(weight);
    const int_t<bits> product = multiply<Cfg::weight_bits, C>(w, c);
    return Cfg::peephole ? sum_t(saturate<V, rounded<Cfg::peephole_shift, bits>::bits>(round_shift<Cfg::peephole_shift, bits>(product)))
                         : sum_t(0);
  }

  /// One step of a cell of an LSTM.
  static in_t lstm(const sum_t v[4], const typename L::bias_t peep[3], state_t& c) {
    SWM_INLINE
    const in_t i = f(sum_t(v[0] + seen(peep[0], c))), forget = f(sum_t(v[2] + seen(peep[2], c))), candidate = g(v[3]);
    enum { kept_bits = B + C + Cfg::kept_shift, new_bits = 2 * B + Cfg::new_shift, wide = max_of(kept_bits, new_bits) + 1 };
    const int_t<wide> kept = int_t<wide>(round_shift<-Cfg::kept_shift, B + C>(multiply<B, C>(forget, c)));
    const int_t<wide> fresh = int_t<wide>(round_shift<-Cfg::new_shift, 2 * B>(multiply<B, B>(i, candidate)));
    c = saturate<C, rounded<Cfg::state_shift, wide>::bits>(round_shift<Cfg::state_shift, wide>(int_t<wide>(kept + fresh)));
    const in_t o = f(sum_t(v[1] + seen(peep[1], c)));
    const in_t squashed = Cfg::gate_h::template run<gate_words<B, Cfg::h_shift>, C>(c);
    return saturate<B, rounded<Cfg::out_shift, 2 * B>::bits>(round_shift<Cfg::out_shift, 2 * B>(multiply<B, B>(o, squashed)));
  }

  /// The new state of a GRU from its update gate and candidate.
  static in_t blend(in_t z, in_t n, state_t& s) {
    SWM_INLINE
    enum { old_bits = C + Cfg::kept_shift, new_bits = B + Cfg::new_shift, gap = max_of(old_bits, new_bits) + 1, wide = gap + B + 1 };
    const int_t<gap> old = int_t<gap>(round_shift<-Cfg::kept_shift, C>(s)), fresh = int_t<gap>(round_shift<-Cfg::new_shift, B>(n));
    const int_t<wide> moved = int_t<wide>(round_shift<-Cfg::unit_shift, gap>(fresh));
    const int_t<wide> sum = int_t<wide>(moved + int_t<wide>(multiply<gap, B>(int_t<gap>(old - fresh), z)));
    s = saturate<C, rounded<Cfg::state_shift, wide>::bits>(round_shift<Cfg::state_shift, wide>(sum));
    return saturate<B, rounded<Cfg::out_shift, C>::bits>(round_shift<Cfg::out_shift, C>(s));
  }
  /// The state as the reset gate lets it through: an input of the next product.
  static in_t reset_before(in_t r, state_t s) {
    SWM_INLINE
    return saturate<B, rounded<Cfg::reset_shift, B + C>::bits>(round_shift<Cfg::reset_shift, B + C>(multiply<B, C>(r, s)));
  }
  /// The product of the state as the reset gate lets it through, joined to that of the input.
  static sum_t reset_after(in_t r, sum_t from_state, sum_t from_input) {
    SWM_INLINE
    const state_t inner = saturate<C, rounded<Cfg::inner_shift, W>::bits>(round_shift<Cfg::inner_shift, W>(from_state));
    return sum_t(from_input + sum_t(round_shift<Cfg::reset_shift, B + C>(multiply<B, C>(r, inner))));
  }

  /// What a cell of any kind gives, and its new state.
  ///
  /// \param second  phase B, in which a GRU has its candidate
  /// \param update  z, from one phase to the other
  static in_t step(const sum_t v[4], const typename L::bias_t peep[3], bool second, in_t& update, state_t& c) {
    SWM_INLINE
    if (int(Cfg::cell) == int(cell_lstm)) return lstm(v, peep, c);
    if (int(Cfg::cell) == int(cell_gru_after)) {
      const in_t z = f(v[0]), r = f(v[1]), n = g(reset_after(r, v[2], v[3]));
      return blend(z, n, c);
    }
    if (int(Cfg::cell) != int(cell_gru)) return f(v[0]);
    if (second) return blend(update, g(v[2]), c);
    update = f(v[0]);
    return reset_before(f(v[1]), c);
  }
};

/// Where cells leave nobody.
struct no_cells {};
template <int E, class Beat>
inline void give_cells(no_cells&, int&, const Beat&) {
  SWM_INLINE
}
template <int E, class Cells, class Beat>
inline void give_cells(Cells& out, int& beat, const Beat& state) {
  SWM_INLINE
  write_beat<E>(out, beat, state);
  ++beat;
}

}  // namespace detail
}  // namespace swm

// SPDX-License-Identifier: Apache-2.0
/// \file concat.h
/// \brief Tensors one after the other along the channels, each brought to the binary point of the output.
///
/// Output channels are those of input 0, then of input 1, ..: y = saturate(round_shift(x, shift of the input), out_bits).
/// One input alone is a change of format.
///
/// II = 1. Iterations: tokens * period, period = sum over the inputs of ceil(n_i / V); iteration i writes beat i, and
/// reads the next beat of the input whose channels these are. Latency is the fill of one pipeline. No multipliers.
///
/// \tparam Cfg  tick, vec = V, out_bits, and for 1 to 8 inputs the lists `typedef swm::ints<..>`
///              channels (all but the last a multiple of V), in_bits, in_shifts (binary point of input i minus that of the
///              output; negative: to the left)
#pragma once

#include "count.h"
#include "fixed.h"
#include "ints.h"
#include "ports.h"

namespace swm {
namespace detail {

/// Beats of a token of all inputs; whether none but the last has a beat that is not full.
template <int V, class Channels>
struct channel_beats;
template <int V>
struct channel_beats<V, ints<> > {
  enum { sum = 0, whole = 1 };
};
template <int V, int Head, int... Tail>
struct channel_beats<V, ints<Head, Tail...> > {
  typedef channel_beats<V, ints<Tail...> > rest;
  enum {
    sum = ceil_div(Head, V) + rest::sum,
    whole = Head >= 1 && (sizeof...(Tail) == 0 || Head % V == 0) && rest::whole
  };
};

template <class Bits>
struct widths_fit;
template <>
struct widths_fit<ints<> > {
  enum { value = 1 };
};
template <int Head, int... Tail>
struct widths_fit<ints<Head, Tail...> > {
  enum { value = Head >= 4 && Head <= 18 && widths_fit<ints<Tail...> >::value };
};

}  // namespace detail

template <class Cfg>
struct concat_layer {
  enum {
    V = Cfg::vec,
    inputs = Cfg::channels::count,
    in_beats = detail::channel_beats<V, typename Cfg::channels>::sum,
    out_beats = in_beats,
    prologue = 0,
    period = in_beats,
    epilogue = 0
  };
  typedef int_t<Cfg::out_bits> out_t;

  /// Constants of input I.
  template <int I>
  struct input {
    enum {
      n = detail::element<I, typename Cfg::channels>::value,
      bits = detail::element<I, typename Cfg::in_bits>::value,
      // a shift to the left by out_bits already saturates all but 0, so a larger one needs no wider type
      shift = max_of(detail::element<I, typename Cfg::in_shifts>::value, -Cfg::out_bits),
      beats = ceil_div(n, V),
      tail = n - (beats - 1) * V,  // values of the last beat of a token
      wide = rounded<shift, bits>::bits
    };
    typedef int_t<bits> in_t;
  };

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(inputs >= 1 && inputs <= 8, "1 to 8 inputs");
  static_assert(int(Cfg::in_bits::count) == int(inputs) && int(Cfg::in_shifts::count) == int(inputs), "one width and one shift an input");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(detail::channel_beats<V, typename Cfg::channels>::whole, "inputs but the last are whole beats");
  static_assert(detail::widths_fit<typename Cfg::in_bits>::value && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
};

namespace detail {

/// Reads a beat of input `which`, one of I and those after it, in the format of the output.
template <class Cfg, int I, bool Last>
struct concat_input {
  typedef concat_layer<Cfg> L;
  typedef typename L::template input<I> P;
  typedef vec<typename L::out_t, L::V> beat_t;

  template <class In>
  static beat_t take(int token, int beat, In& in) {
    SWM_INLINE
    const vec<typename P::in_t, L::V> x = read_beat<L::V, typename P::in_t>(in, token * P::beats + beat);
    const bool last = beat == P::beats - 1;
    beat_t value;
  CONCAT_LANES:
    for (int i = 0; i < L::V; ++i) {
      SWM_UNROLL
      const typename L::out_t y = saturate<Cfg::out_bits, P::wide>(round_shift<P::shift, P::bits>(x.v[i]));
      value.v[i] = i < P::tail || !last ? y : typename L::out_t(0);
    }
    return value;
  }

  template <class In, class... Rest>
  static beat_t run(int which, int token, int beat, bool& last, In& in, Rest&... rest) {
    SWM_INLINE
    beat_t value;
    if (which == I) {
      last = beat == P::beats - 1;
      value = take(token, beat, in);
    } else {
      value = concat_input<Cfg, I + 1, I + 2 == L::inputs>::run(which, token, beat, last, rest...);
    }
    return value;
  }
};

template <class Cfg, int I>
struct concat_input<Cfg, I, true> {
  typedef concat_input<Cfg, I, false> same;
  template <class In>
  static typename same::beat_t run(int /*which*/, int token, int beat, bool& last, In& in) {
    SWM_INLINE
    last = beat == same::P::beats - 1;
    return same::take(token, beat, in);
  }
};

}  // namespace detail

/// \param tokens  positions of all frames of this call
/// \param out     beats of V channels; surplus values of the last beat of a token are zero
/// \param ins     as many as Cfg::channels: beats of V channels each
template <class Cfg, class Out, class... Ins>
void concat(int tokens, Out& out, Ins&... ins) {
  typedef concat_layer<Cfg> L;
  static_assert(sizeof...(Ins) == L::inputs, "one port an input");
  const int total = tokens * L::period;
  count_t<L::inputs - 1> which = 0;
  count_t<L::period - 1> beat = 0;
  int token = 0;
CONCAT:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    bool last = false;
    const vec<typename L::out_t, L::V> value =
        detail::concat_input<Cfg, 0, L::inputs == 1>::run(int(which), token, int(beat), last, ins...);
    write_beat<L::V>(out, step, value);
    const bool end = last && which == L::inputs - 1;
    token = end ? token + 1 : token;
    which = end ? 0 : last ? int(which) + 1 : int(which);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm

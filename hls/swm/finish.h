// SPDX-License-Identifier: Apache-2.0
/// \file finish.h
/// \brief The end of every layer: activation, one rounding to the output's binary point, saturation.
///
/// An activation is a policy type with `template <Cfg, W> run(v)`; v is the exact sum plus bias, W bits. No loops: a
/// caller's pipeline takes one value a lane and cycle. Definitions: docs/arithmetic.md section 5.
///
///   identity, relu      the sum, or its positive part
///   clip<low, high>     the output between two words; costs what saturation costs
///   ramp<R>, leaky<R>   a multiplication by a constant: HardSigmoid; LeakyReLU (sums of zero and above pass as they are)
///   steps<S>            the nearest of equal steps: a quantizer. A multiplication to the code, one back (none for widths
///                       that are powers of two)
///   curve<T>            a table of equal segments, lines or constants: sigmoid, tanh, GELU, SiLU, ... A line takes one
///                       multiplier of rise_bits x (step_bits + 1), a constant none
///
/// R, S and T are structs that the project writes into its layers.h, one a layer (swm/layers/curves.py says what each
/// member means).
///
/// \tparam Cfg  out_bits; out_shift (binary point of v minus that of the output)
/// \tparam W    bits of v
#pragma once

#include "fixed.h"

namespace swm {

struct identity {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    return saturate<Cfg::out_bits, rounded<Cfg::out_shift, W>::bits>(round_shift<Cfg::out_shift, W>(v));
  }
};

struct relu {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    const int_t<W> positive = v < 0 ? int_t<W>(0) : v;
    return identity::run<Cfg, W>(positive);
  }
};

namespace detail {

/// Clip to Low .. High, and to WO bits.
template <int WO, int Low, int High, int W>
inline int_t<WO> bounded(int_t<W> v) {
  SWM_INLINE
  enum { wide = max_of(W, WO), least = -(1 << (WO - 1)), largest = (1 << (WO - 1)) - 1 };
  const int_t<wide> low = int_t<wide>(min_of(max_of(Low, least), largest));
  const int_t<wide> high = int_t<wide>(min_of(max_of(High, least), largest));
  const int_t<wide> upper = int_t<wide>(v) > high ? high : int_t<wide>(v);
  return int_t<WO>(upper < low ? low : upper);
}

/// The sum, rounded and narrowed to the bits in which a ramp or table takes it.
template <class P, int W>
inline int_t<P::input_bits> narrowed(int_t<W> v) {
  SWM_INLINE
  return saturate<P::input_bits, rounded<P::input_shift, W>::bits>(round_shift<P::input_shift, W>(v));
}

/// The value of a table at the place of z, lines or constants.
template <class T, bool Lines>
struct segment;
template <class T>
struct segment<T, true> {
  enum { bits = max_of(int(T::start_bits), int(T::rise_bits)) + T::step_bits + 1 };
  static int_t<bits> value(int i, int d) {
    SWM_INLINE
    const int_t<T::step_bits + 1> place = int_t<T::step_bits + 1>(d);
    const int_t<T::rise_bits + T::step_bits + 1> gain = multiply<T::rise_bits, T::step_bits + 1>(T::rise(i), place);
    return int_t<bits>(int_t<bits>(round_shift<-T::step_bits, T::start_bits>(T::start(i))) + int_t<bits>(gain));
  }
};
template <class T>
struct segment<T, false> {
  enum { bits = T::start_bits };
  static int_t<bits> value(int i, int) {
    SWM_INLINE
    return T::start(i);
  }
};

}  // namespace detail

template <int Low, int High>
struct clip {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    return detail::bounded<Cfg::out_bits, Low, High, rounded<Cfg::out_shift, W>::bits>(round_shift<Cfg::out_shift, W>(v));
  }
};

template <class R>
struct ramp {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    enum {
      product_bits = R::input_bits + R::slope_bits,
      bits = max_of(int(product_bits), R::offset_bits + R::offset_shift) + 1
    };
    const int_t<R::input_bits> z = detail::narrowed<R, W>(v);
    const int_t<product_bits> product = multiply<R::input_bits, R::slope_bits>(z, int_t<R::slope_bits>(R::slope));
    const int_t<bits> offset = int_t<bits>(round_shift<-R::offset_shift, R::offset_bits>(int_t<R::offset_bits>(R::offset)));
    const int_t<bits> sum = int_t<bits>(int_t<bits>(product) + offset);
    return detail::bounded<Cfg::out_bits, R::low, R::high, rounded<R::out_shift, bits>::bits>(round_shift<R::out_shift, bits>(sum));
  }
};

template <class R>
struct leaky {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    const int_t<Cfg::out_bits> below = ramp<R>::template run<Cfg, W>(v), above = identity::run<Cfg, W>(v);
    return v < 0 ? below : above;
  }
};

template <class S>
struct steps {
  struct code {
    enum { out_bits = S::code_bits };
  };
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    enum { bits = S::code_bits + S::width_bits };
    const int_t<S::code_bits> nearest = ramp<S>::template run<code, W>(v);
    const int_t<bits> value = multiply<S::code_bits, S::width_bits>(nearest, int_t<S::width_bits>(S::width));
    return saturate<Cfg::out_bits, rounded<S::width_shift, bits>::bits>(round_shift<S::width_shift, bits>(value));
  }
};

template <class T>
struct curve {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    static_assert(T::input_bits <= 31 && T::step_bits < 31, "places in a table fit an int");
    typedef detail::segment<T, (T::rise_bits > 0)> entry;
    enum {
      last = T::first + T::entries * (1 << T::step_bits) - 1,
      base_bits = T::input_bits + T::base_shift,
      bits = max_of(int(entry::bits), T::rectified ? int(base_bits) : 0) + 1
    };
    const int_t<T::input_bits> z = detail::narrowed<T, W>(v);
    const int upper = int(z) > last ? int(last) : int(z);
    const int at = (upper < T::first ? int(T::first) : upper) - T::first;
    const int i = at >> T::step_bits, d = at & ((1 << T::step_bits) - 1);
    int_t<bits> value = int_t<bits>(entry::value(i, d));
    if (T::rectified) {
      const int_t<T::input_bits> positive = z < 0 ? int_t<T::input_bits>(0) : z;
      value = int_t<bits>(value + int_t<bits>(round_shift<-T::base_shift, T::input_bits>(positive)));
    }
    return saturate<Cfg::out_bits, rounded<T::out_shift, bits>::bits>(round_shift<T::out_shift, bits>(value));
  }
};

}  // namespace swm

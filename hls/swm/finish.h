// SPDX-License-Identifier: Apache-2.0
/// \file finish.h
/// \brief The end of every layer: activation, one rounding to the output's binary point, saturation.
///
/// An activation is a policy type with `template <Cfg, W> run(v)`; v is the exact sum plus bias, W bits. Sigmoid and tanh
/// interpolate 256 segments of 1/16 on [-8, 8) and are constant outside: value = T[i] + (T[i+1] - T[i]) d / 256, one
/// 19 x 9 multiplier a lane. No loops: a caller's pipeline takes one value a lane and cycle.
///
/// \tparam Cfg  out_bits; out_shift (binary point of v minus that of the output); act_shift (binary point of v minus 12);
///              out_frac (fractional bits of the output)
/// \tparam W    bits of v
#pragma once

#include "fixed.h"
#include "tables.h"

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

/// Linear interpolation in a table: Table::at(i), 0 <= i <= 256, 16 fractional bits.
template <class Table>
struct interpolated {
  template <class Cfg, int W>
  static int_t<Cfg::out_bits> run(int_t<W> v) {
    SWM_INLINE
    enum { wide = rounded<Cfg::act_shift, W>::bits, shift = 24 - Cfg::out_frac };
    const int_t<16> z = saturate<16, wide>(round_shift<Cfg::act_shift, W>(v));
    const int position = int(z) + 32768;
    const int segment = position >> 8;
    const int_t<9> offset = int_t<9>(position & 255);
    const int_t<18> left = Table::at(segment);
    const int_t<19> slope = subtract<18>(Table::at(segment + 1), left);
    const int_t<28> rise = multiply<19, 9>(slope, offset);
    const int_t<28> start = int_t<28>(int_t<28>(left) * 256);
    return saturate<Cfg::out_bits, rounded<shift, 29>::bits>(round_shift<shift, 29>(add<28>(start, rise)));
  }
};

struct sigmoid_table {
  static int_t<18> at(int i) {
    SWM_INLINE
    return tables::sigmoid(i);
  }
};

struct tanh_table {
  static int_t<18> at(int i) {
    SWM_INLINE
    return tables::tanh(i);
  }
};

}  // namespace detail

struct sigmoid : detail::interpolated<detail::sigmoid_table> {};
/// Named so as not to shadow the function of <cmath>.
struct tanh_ : detail::interpolated<detail::tanh_table> {};

}  // namespace swm

// SPDX-License-Identifier: Apache-2.0
/// \file fixed.h
/// \brief Integers of a stated width, and the only two ways in which bits are ever lost: round_shift and saturate.
///
/// A value is an integer with a binary point that the code knows (docs/arithmetic.md). Nothing relies on a type wrapping,
/// rounding or saturating: every expression is widened first, so that native integers and ap_int give the same bits.
#pragma once

#include "pragmas.h"

#ifdef SWM_VITIS
#include "ap_int.h"
#else
#include <stdint.h>
#endif

namespace swm {

constexpr int min_of(int a, int b) { return a < b ? a : b; }
constexpr int max_of(int a, int b) { return a > b ? a : b; }
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
/// Floor of log2(n), n >= 1: the shift that divides by a power of two.
constexpr int log2_of(int n) { return n <= 1 ? 0 : 1 + log2_of(n / 2); }
constexpr bool is_power_of_two(int n) { return n > 0 && (n & (n - 1)) == 0; }
/// Ceiling of log2(n), n >= 1.
constexpr int clog2(int n) { return n <= 1 ? 0 : 1 + clog2((n + 1) / 2); }

namespace detail {
#ifdef SWM_VITIS
template <int W>
struct integer {
  typedef ap_int<W> type;
};
template <int Bits>
struct counter {
  typedef ap_uint<Bits> type;
};
#else
template <int Bytes>
struct native;
template <>
struct native<1> {
  typedef int8_t type;
};
template <>
struct native<2> {
  typedef int16_t type;
};
template <>
struct native<4> {
  typedef int32_t type;
};
template <>
struct native<8> {
  typedef int64_t type;
};
template <int W>
struct integer {
  static_assert(W >= 1 && W <= 64, "a native integer has 1 to 64 bits");
  typedef typename native<(W <= 8) ? 1 : (W <= 16) ? 2 : (W <= 32) ? 4 : 8>::type type;
};
template <int Bits>
struct counter {
  typedef typename native<(Bits <= 7) ? 1 : (Bits <= 15) ? 2 : 4>::type type;
};
#endif
}  // namespace detail

/// Signed integer of at least W bits: exactly W under Vitis, the smallest native one elsewhere.
template <int W>
using int_t = typename detail::integer<W>::type;

/// Counter that holds 0 to Max: as few bits as that takes under Vitis, the smallest native integer elsewhere.
template <int Max>
using count_t = typename detail::counter<max_of(1, clog2(Max + 1))>::type;

/// Exact sum: the result has one bit more than the wider operand.
template <int W>
inline int_t<W + 1> add(int_t<W> a, int_t<W> b) {
  SWM_INLINE
  return int_t<W + 1>(int_t<W + 1>(a) + int_t<W + 1>(b));
}

/// Exact difference.
template <int W>
inline int_t<W + 1> subtract(int_t<W> a, int_t<W> b) {
  SWM_INLINE
  return int_t<W + 1>(int_t<W + 1>(a) - int_t<W + 1>(b));
}

/// Exact product; operands keep their own widths, so that a DSP block sees them.
template <int WA, int WB>
inline int_t<WA + WB> multiply(int_t<WA> a, int_t<WB> b) {
  SWM_INLINE
#ifdef SWM_VITIS
  return a * b;
#else
  return int_t<WA + WB>(int_t<WA + WB>(a) * int_t<WA + WB>(b));
#endif
}

/// Exact product in LUTs instead of a DSP block.
template <int WA, int WB>
inline int_t<WA + WB> multiply_in_fabric(int_t<WA> a, int_t<WB> b) {
  SWM_INLINE
#ifdef SWM_VITIS
  const int_t<WA + WB> product = a * b;
#else
  const int_t<WA + WB> product = int_t<WA + WB>(int_t<WA + WB>(a) * int_t<WA + WB>(b));
#endif
  SWM_FABRIC_MULTIPLY(product)
  return product;
}

/// Two exact products of one common operand on one multiplier: (high 2^S + low) x, taken apart again.
///
/// S = WA + WB - 1: of all values only low x = 2^(S-1), never its negative, occurs, so the lower S bits tell low x.
template <int WA, int WB>
inline void multiply_pair(int_t<WA> high, int_t<WA> low, int_t<WB> x, int_t<WA + WB>& high_product, int_t<WA + WB>& low_product) {
  SWM_INLINE
  enum { S = WA + WB - 1, U = S + WA + 1 };
  typedef int_t<U + WB> wide_t;
  const int_t<U> both = int_t<U>(int_t<U>(high) * int_t<U>(int_t<U>(1) << S) + int_t<U>(low));
#ifdef SWM_VITIS
  const wide_t product = both * x;
#else
  const wide_t product = wide_t(wide_t(both) * wide_t(x));
#endif
  const wide_t bits = wide_t(product & wide_t((wide_t(1) << S) - 1));
  const bool borrow = bits > wide_t(wide_t(1) << (S - 1));
  const wide_t rest = wide_t(product >> S);
  high_product = int_t<WA + WB>(rest + (borrow ? 1 : 0));
  low_product = int_t<WA + WB>(bits - (borrow ? wide_t(wide_t(1) << S) : wide_t(0)));
}

/// Width of round_shift<S> of a W-bit value.
template <int S, int W>
struct rounded {
  enum {
    shift = min_of(S, W + 1),  // every shift beyond W gives 0, so a huge one needs no wide adder
    bits = S > 0 ? max_of(W - S + 1, 2) : W - S,
    sum_bits = S > 0 ? max_of(W, shift) + 1 : W - S
  };
};

namespace detail {
template <int S, int W, bool Right>
struct shifter;
template <int S, int W>
struct shifter<S, W, true> {
  static int_t<rounded<S, W>::bits> run(int_t<W> v) {
    SWM_INLINE
    typedef int_t<rounded<S, W>::sum_bits> wide;
    const wide half = wide(wide(1) << (rounded<S, W>::shift - 1));
    const wide sum = wide(wide(v) + half);
    return int_t<rounded<S, W>::bits>(sum >> rounded<S, W>::shift);
  }
};
template <int S, int W>
struct shifter<S, W, false> {
  static int_t<W - S> run(int_t<W> v) {
    SWM_INLINE
    // A product, for shifting a negative native integer to the left is undefined.
    return int_t<W - S>(int_t<W - S>(v) * int_t<W - S>(int_t<W - S>(1) << -S));
  }
};
}  // namespace detail

/// Divide by 2^S, half rounds up; S <= 0 multiplies. No bit is lost but by the rounding.
template <int S, int W>
inline int_t<rounded<S, W>::bits> round_shift(int_t<W> v) {
  SWM_INLINE
  return detail::shifter<S, W, (S > 0)>::run(v);
}

/// v, or half of it (half rounds up); the caller knows that the result fits W bits.
template <int W>
inline int_t<W> halve_if(bool halve, int_t<W + 2> v) {
  SWM_INLINE
  const int_t<W + 3> up = int_t<W + 3>(int_t<W + 3>(v) + 1);
  const int_t<W + 2> half = int_t<W + 2>(up >> 1);
  return int_t<W>(halve ? half : v);
}

/// Clip to WO bits.
template <int WO, int W>
inline int_t<WO> saturate(int_t<W> v) {
  SWM_INLINE
  const int_t<W> high = int_t<W>((int_t<W>(1) << (min_of(WO, W) - 2)) - 1 + (int_t<W>(1) << (min_of(WO, W) - 2)));
  const int_t<W> low = int_t<W>(-high - 1);
  const int_t<W> upper = v > high ? high : v;
  return int_t<WO>(upper < low ? low : upper);
}

/// A complex integer, both parts W bits.
template <int W>
struct cplx {
  int_t<W> re;
  int_t<W> im;
};

}  // namespace swm

// SPDX-License-Identifier: Apache-2.0
/// \file rotate.h
/// \brief Multiplication by the constants of transforms in straight-line code, of at most 64 points: W_64^i, 16 fractional bits.
#pragma once

#include "fixed.h"

namespace swm {
namespace detail {

/// 46341 v, 46341 = floor(sqrt(1/2) 2^16 + 1/2): four adders, no multiplier.
template <int W>
inline int_t<W + 16> times_root_half(int_t<W> v) {
  SWM_INLINE
  typedef int_t<W + 16> wide;
  const int_t<W + 3> v5 = int_t<W + 3>(int_t<W + 3>(v) + int_t<W + 3>(v) * 4);
  const int_t<W + 6> v45 = int_t<W + 6>(int_t<W + 6>(v5) + int_t<W + 6>(v5) * 8);
  const int_t<W + 8> v181 = int_t<W + 8>(int_t<W + 8>(v) + int_t<W + 8>(v45) * 4);
  return wide(wide(v181) * 256 + wide(v5));
}

/// Of W_64^i = c - j s, 0 <= i <= 16; constants wherever i is one (tables.h has the same in ROMs).
constexpr int cosine_of_64(int i) {
  constexpr int cosines[17] = {65536, 65220, 64277, 62714, 60547, 57798, 54491, 50660, 46341,
                               41576, 36410, 30893, 25080, 19024, 12785, 6424,  0};
  return cosines[i];
}
constexpr int sine_of_64(int i) { return cosine_of_64(16 - i); }

/// (a + j b) times W_64^i or its conjugate, three multiplications by constants. With m = c (a + b):
/// forward, W^i: re = m - (c - s) b, im = m - (c + s) a. inverse: re = m - (c + s) b, im = m - (c - s) a.
template <int W>
inline void rotate_64(int_t<W> a, int_t<W> b, int i, bool inverse, int_t<W + 19>& re, int_t<W + 19>& im) {
  SWM_INLINE
  const int c = cosine_of_64(i), s = sine_of_64(i);
  const int_t<18> less = int_t<18>(c - s), more = int_t<18>(c + s);
  const int_t<W + 1> sum = int_t<W + 1>(int_t<W + 1>(a) + int_t<W + 1>(b));
  const int_t<W + 19> shared = multiply<W + 1, 18>(sum, int_t<18>(c));
  const int_t<W + 18> of_b = multiply<W, 18>(b, inverse ? more : less);
  const int_t<W + 18> of_a = multiply<W, 18>(a, inverse ? less : more);
  re = int_t<W + 19>(shared - of_b);
  im = int_t<W + 19>(shared - of_a);
}

}  // namespace detail
}  // namespace swm

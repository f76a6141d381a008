// SPDX-License-Identifier: Apache-2.0
/// \file transform_reference.h
/// \brief docs/arithmetic.md sections 2 and 4 by recursion over wide integers, four multiplications a rotation.
#pragma once

#include <math.h>

#include "check.h"

namespace reference {

typedef check::wide wide;
struct word {
  wide re, im;
};
typedef std::vector<wide> points;
typedef std::vector<word> spectrum;

inline int log2_of(int n) { return n == 1 ? 0 : 1 + log2_of(n / 2); }
inline long long twiddle(double v) { return static_cast<long long>(floor(v * 65536 + 0.5)); }
inline long long cosine(int i, int n) { return twiddle(cos(2 * acos(-1.0) * i / n)); }
inline long long sine(int i, int n) { return twiddle(sin(2 * acos(-1.0) * i / n)); }

/// Every second value from `first` on.
template <class T>
std::vector<T> every_second(const std::vector<T>& x, int first) {
  std::vector<T> out;
  for (size_t i = first; i < x.size(); i += 2) out.push_back(x[i]);
  return out;
}

/// `grown`: stages before the first that halves.
inline spectrum forward(const points& x, int grown) {
  const int size = static_cast<int>(x.size()), stage = log2_of(size);
  if (size == 2) return spectrum{{x[0] + x[1], x[0] - x[1]}};
  if (size == 4) {
    const int h = grown >= 2 ? 0 : 2 - grown;
    const wide t0 = x[0] + x[2], t1 = x[0] - x[2], t2 = x[1] + x[3], t3 = x[1] - x[3];
    return spectrum{{check::round_to(t0 + t2, h), check::round_to(t0 - t2, h)},
                    {check::round_to(t1, h), check::round_to(-t3, h)}};
  }
  const spectrum even = forward(every_second(x, 0), grown), odd = forward(every_second(x, 1), grown);
  const int h = stage > grown ? 1 : 0;
  spectrum out(size / 2);
  for (int i = 0; i < size / 4; ++i) {
    const word e = even[i], o = odd[i];
    if (i == 0) {
      out[0] = {check::round_to(e.re + o.re, h), check::round_to(e.re - o.re, h)};
      out[size / 4] = {check::round_to(e.im, h), check::round_to(-o.im, h)};
      continue;
    }
    const wide c = cosine(i, size), s = sine(i, size);
    const wide re = check::round_to(o.re * c + o.im * s, 16), im = check::round_to(o.im * c - o.re * s, 16);
    out[i] = {check::round_to(e.re + re, h), check::round_to(e.im + im, h)};
    out[size / 2 - i] = {check::round_to(e.re - re, h), check::round_to(im - e.im, h)};
  }
  return out;
}

/// `halvings`: stages, of those from here on, that halve.
inline points inverse(const spectrum& a, int halvings) {
  const int size = static_cast<int>(a.size()) * 2;
  if (size == 2) return points{check::round_to(a[0].re + a[0].im, 1), check::round_to(a[0].re - a[0].im, 1)};
  if (size == 4) {
    const int h = halvings < 0 ? 0 : halvings > 2 ? 2 : halvings;
    const wide sum = a[0].re + a[0].im, difference = a[0].re - a[0].im;
    return points{check::round_to(sum + 2 * a[1].re, h), check::round_to(difference - 2 * a[1].im, h),
                  check::round_to(sum - 2 * a[1].re, h), check::round_to(difference + 2 * a[1].im, h)};
  }
  const int h = halvings > 0 ? 1 : 0;
  spectrum even(size / 4), odd(size / 4);
  for (int i = 0; i < size / 4; ++i) {
    const word x = a[i], y = a[i == 0 ? size / 4 : size / 2 - i];
    if (i == 0) {
      even[0] = {check::round_to(x.re + x.im, h), check::round_to(2 * y.re, h)};
      odd[0] = {check::round_to(x.re - x.im, h), check::round_to(-2 * y.im, h)};
      continue;
    }
    const wide c = cosine(i, size), s = sine(i, size), re = x.re - y.re, im = x.im + y.im;
    even[i] = {check::round_to(x.re + y.re, h), check::round_to(x.im - y.im, h)};
    odd[i] = {check::round_to(re * c - im * s, 16 + h), check::round_to(im * c + re * s, 16 + h)};
  }
  const points e = inverse(even, halvings - 1), o = inverse(odd, halvings - 1);
  points out;
  for (int t = 0; t < size / 2; ++t) {
    out.push_back(e[t]);
    out.push_back(o[t]);
  }
  return out;
}

}  // namespace reference

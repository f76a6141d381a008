// SPDX-License-Identifier: Apache-2.0
/// \file passes_config.h
/// \brief A block-circulant layer of k >= 32 by numbers, for the testbenches of the passes, and the transforms by the book.
#pragma once

#include <math.h>

#include "check.h"
#include "swm/circulant.h"
#include "swm/finish.h"

template <int M, int N, int K, int Bits, int Shifts, int InVec, int OutVec, int Rows, int Bins, int OutShift = 0>
struct pass_config {
  static constexpr int tick = 40, m = M, n = N, k = K, in_bits = Bits, weight_bits = 8, bias_bits = Bits + 5 + Shifts;
  static constexpr int out_bits = 18, fft_shifts = Shifts, acc_shift = 0, out_shift = OutShift;
  static constexpr int in_vec = InVec, out_vec = OutVec, mac_rows = Rows, mac_bins = Bins;
  static constexpr int mac_columns = swm::max_of(1, InVec / 4), products = 3;
  static constexpr int rom_banks = mac_rows, rom_lanes = mac_columns * mac_bins * 2;
  typedef swm::identity activation;
};

namespace check {

/// A block as docs/arithmetic.md writes it: real points, or k/2 words (re, im), by plain numbers.
struct word {
  long long re, im;
};

inline long long halved(long long v, int shift) { return static_cast<long long>(round_to(v, shift)); }

inline void twiddle(int n, int i, long long& c, long long& s) {
  const double angle = 2 * acos(-1.0) * i / n;
  c = static_cast<long long>(floor(cos(angle) * 65536 + 0.5));
  s = static_cast<long long>(floor(sin(angle) * 65536 + 0.5));
}

/// Section 2.
inline std::vector<word> forward(const words& x, int shifts) {
  const int k = static_cast<int>(x.size()), quarter = k / 4;
  int stages = 0;
  while (1 << stages < k) ++stages;
  const int grown = stages - shifts, h = grown >= 2 ? 0 : 2 - grown;
  std::vector<word> a(k / 2), b(k / 2);
  for (int u = 0; u < quarter; ++u) {
    const long long t0 = x[u] + x[u + 2 * quarter], t1 = x[u] - x[u + 2 * quarter];
    const long long t2 = x[u + quarter] + x[u + 3 * quarter], t3 = x[u + quarter] - x[u + 3 * quarter];
    a[2 * u] = word{halved(t0 + t2, h), halved(t0 - t2, h)};
    a[2 * u + 1] = word{halved(t1, h), halved(-t3, h)};
  }
  for (int n = 3; n <= stages; ++n) {
    const int size = 1 << n, half = n > grown;
    for (int u = 0; u < quarter; ++u) {
      const int i = u % (size / 4), base = 2 * (u - i);
      const word e = a[u], o = a[u + quarter];
      if (i == 0) {
        b[base] = word{halved(e.re + o.re, half), halved(e.re - o.re, half)};
        b[base + size / 4] = word{halved(e.im, half), halved(-o.im, half)};
      } else {
        long long c, s;
        twiddle(size, i, c, s);
        const long long re = halved(o.re * c + o.im * s, 16), im = halved(o.im * c - o.re * s, 16);
        b[base + i] = word{halved(e.re + re, half), halved(e.im + im, half)};
        b[base + size / 2 - i] = word{halved(e.re - re, half), halved(im - e.im, half)};
      }
    }
    a.swap(b);
  }
  return a;
}

/// Section 4.
inline words inverse(std::vector<word> a, int shifts) {
  const int k = 2 * static_cast<int>(a.size()), quarter = k / 4;
  int stages = 0;
  while (1 << stages < k) ++stages;
  std::vector<word> b(k / 2);
  int done = 0;
  for (int size = k; size >= 8; size /= 2, ++done) {
    const int h = done < stages - shifts;
    for (int u = 0; u < quarter; ++u) {
      const int i = u % (size / 4), base = 2 * (u - i);
      const word x = a[base + i], y = a[base + (i == 0 ? size / 4 : size / 2 - i)];
      if (i == 0) {
        b[u] = word{halved(x.re + x.im, h), halved(2 * y.re, h)};
        b[u + quarter] = word{halved(x.re - x.im, h), halved(-2 * y.im, h)};
      } else {
        long long c, s;
        twiddle(size, i, c, s);
        const word d = {x.re - y.re, x.im + y.im};
        b[u] = word{halved(x.re + y.re, h), halved(x.im - y.im, h)};
        b[u + quarter] = word{halved(d.re * c - d.im * s, 16 + h), halved(d.im * c + d.re * s, 16 + h)};
      }
    }
    a.swap(b);
  }
  const int h = shifts >= 2 ? 0 : 2 - shifts;
  words y(k);
  for (int u = 0; u < quarter; ++u) {
    const word p = a[2 * u], q = a[2 * u + 1];
    y[u] = halved(p.re + p.im + 2 * q.re, h);
    y[u + quarter] = halved(p.re - p.im - 2 * q.im, h);
    y[u + 2 * quarter] = halved(p.re + p.im - 2 * q.re, h);
    y[u + 3 * quarter] = halved(p.re - p.im + 2 * q.im, h);
  }
  return y;
}

/// A port that writes down in which iteration of process `tick` every beat passes.
template <class T, int N>
struct probe {
  int tick;
  std::vector<long long> at;
  explicit probe(int process) : tick(process) {}
  void note() { at.push_back(swm::sim::ticks()[tick] - 1); }
};

template <int N, class T>
swm::vec<T, N> read_beat(probe<T, N>& port, int) {
  port.note();
  return swm::vec<T, N>();
}

template <int N, class T>
void write_beat(probe<T, N>& port, int, const swm::vec<T, N>&) {
  port.note();
}

inline void same(const words& found, const words& wanted, const char* what) {
  that(found.size() == wanted.size(), what, static_cast<long long>(found.size()), static_cast<long long>(wanted.size()));
  for (size_t i = 0; i < found.size() && i < wanted.size(); ++i) that(found[i] == wanted[i], what, static_cast<long long>(i), found[i]);
}

}  // namespace check

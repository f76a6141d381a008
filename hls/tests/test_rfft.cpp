// SPDX-License-Identifier: Apache-2.0
// rfft.h against a double-precision DFT, within the error that its roundings and 16-bit twiddles allow.
#include "swm/rfft.h"

#include <math.h>

#include "check.h"
#include "circulant_config.h"

namespace {

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  const int k = Cfg::k, q = L::q, stages = L::stages;
  // Complex error: doubled by a stage that grows, and 0.71 a rounding; twiddles are off by 2^-17 in each part.
  double bound = 1e-6;
  for (int n = 1; n <= stages; ++n) {
    const bool halves = n > stages - Cfg::fft_shifts;
    const double size = ldexp(1.0, L::spectrum_bits - 1);
    if (n <= 2) {
      bound = halves ? bound + 0.71 : 2 * bound;
    } else {
      bound = 2 * bound + 0.71 + size * ldexp(1.42, -17);
      if (halves) bound = bound / 2 + 0.71;
    }
  }
  for (int trial = 0; trial < 6; ++trial) {
    check::words x = check::values(Cfg::n, Cfg::in_bits);
    const long long low = -(1LL << (Cfg::in_bits - 1));
    for (int i = 0; i < Cfg::n && trial < 3; ++i) x[i] = trial == 0 ? low : trial == 1 ? -low - 1 : i % 2 ? low : -low - 1;
    const int room = L::fft_groups * Cfg::fft_lanes * k;
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::in_t, Cfg::in_vec> in;
      check::channel<typename L::spectrum_t, L::x_beat> spectra(room);
      in.put(x);
      swm::rfft<Cfg>(in.port, spectra.port);
      out[again] = spectra.take(room);
      const long long ticks = check::ticked(4 * Cfg::id);
      check::that(ticks == L::rfft_iterations, "iterations", ticks, L::rfft_iterations);
    }
    check::that(out[0] == out[1], "same answer twice");
    double largest = 0;
    for (int j = 0; j < q; ++j) {
      for (int bin = 0; bin <= k / 2; ++bin) {
        double re = 0, im = 0;
        for (int t = 0; t < k && j * k + t < Cfg::n; ++t) {
          const double angle = 2 * acos(-1.0) * ((bin * t) % k) / k;
          re += x[j * k + t] * cos(angle);
          im -= x[j * k + t] * sin(angle);
        }
        const double scale = ldexp(1.0, -Cfg::fft_shifts);
        const bool real = bin == 0 || bin == k / 2;
        const int at = spectrum_place<Cfg>(j, bin % (k / 2)) + (bin == k / 2);
        check::that(fabs(out[0][at] - re * scale) <= bound, "real part", bin, out[0][at]);
        if (!real) check::that(fabs(out[0][at + 1] - im * scale) <= bound, "imaginary part", bin, out[0][at + 1]);
        largest = fmax(largest, fabs(re * scale));
      }
    }
    check::that(largest > 20 * bound || Cfg::in_bits <= 8, "the bound is far below the signal");
    for (int j = q; j < L::fft_groups * Cfg::fft_lanes; ++j) {
      for (int w = 0; w < k / 2; ++w) check::that(out[0][spectrum_place<Cfg>(j, w)] == 0, "a padding block is zero", j, w);
    }
  }
}

}  // namespace

int main() {
  run<config<7, 5, 2, 8, 8, 0, 1, 1, 1, 1, 1, 1> >();
  run<config<7, 9, 2, 12, 8, 0, 2, 1, 3, 1, 1, 1> >();
  run<config<7, 11, 4, 12, 8, 0, 2, 1, 2, 1, 1, 1> >();
  run<config<7, 11, 4, 16, 8, 1, 4, 1, 2, 1, 1, 1> >();
  run<config<7, 43, 8, 12, 8, 0, 4, 1, 4, 1, 1, 1> >();
  run<config<7, 43, 8, 12, 8, 1, 1, 1, 1, 1, 1, 1> >();
  run<config<7, 43, 8, 12, 8, 2, 8, 1, 1, 1, 1, 1> >();
  run<config<7, 50, 16, 8, 8, 0, 8, 1, 3, 1, 1, 1> >();
  run<config<7, 50, 16, 16, 8, 2, 2, 1, 3, 1, 1, 1> >();
  run<config<7, 100, 32, 12, 8, 0, 32, 1, 2, 1, 1, 1> >();
  run<config<7, 65, 64, 18, 8, 3, 16, 1, 1, 1, 1, 1> >();
  run<config<7, 129, 128, 18, 8, 0, 4, 1, 2, 1, 1, 1> >();
  run<config<7, 300, 256, 18, 8, 4, 2, 1, 2, 1, 1, 1> >();
  run<config<7, 256, 256, 16, 8, 0, 8, 1, 1, 1, 1, 1> >();
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
// irfft.h against a double-precision inverse DFT, within the error that its roundings and 16-bit twiddles allow.
#include "swm/irfft.h"

#include <math.h>

#include "check.h"
#include "circulant_config.h"

namespace {

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  const int k = Cfg::k, words = k / 2, stages = L::stages, halvings = stages - Cfg::fft_shifts;
  // As in test_rfft.cpp, the other way round; the last pass adds four parts.
  double bound = 1e-6;
  for (int done = 0; done < stages; ++done) {
    const bool halves = done < halvings, rotates = stages - done > 2;
    bound = (halves ? bound : 2 * bound) + 0.71;
    if (rotates) bound += ldexp(1.42, -17) * ldexp(2.0, L::inverse_bits - 1);
  }
  bound *= 2;
  static typename L::bias_t bias[L::bias_words];
  for (int trial = 0; trial < 6; ++trial) {
    const int room = L::mac_groups * Cfg::mac_blocks * k;
    const long long high = (1LL << (L::rounded_bits - 1)) - 1;
    check::words a = check::values(room, L::rounded_bits), b = check::values(Cfg::m, Cfg::bias_bits - 1);
    for (int i = 0; i < room && trial < 3; ++i) {  // every bin at the end of its range
      a[i] = trial == 0 ? high : trial == 1 ? -high - 1 : check::next() % 2 ? high : -high - 1;
    }
    check::fill(bias, b);
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::rounded_t, L::a_beat> in;
      check::channel<typename L::out_t, Cfg::out_vec> values(L::bias_words);
      in.put(a);
      swm::irfft<Cfg>(bias, in.port, values.port);
      out[again] = values.take(L::bias_words);
      const long long ticks = check::ticked(4 * Cfg::id + 2);
      check::that(ticks == L::irfft_iterations, "iterations", ticks, L::irfft_iterations);
    }
    check::that(out[0] == out[1], "same answer twice");
    for (int index = 0; index < L::bias_words; ++index) {
      if (index >= Cfg::m) {
        check::that(out[0][index] == 0, "surplus values are zero", index, out[0][index]);
        continue;
      }
      const int i = index / k, t = index % k;
      const int zero = sum_place<Cfg>(i, 0);
      double y = a[zero] + (t % 2 ? -1.0 : 1.0) * a[zero + 1];
      for (int bin = 1; bin < words; ++bin) {
        const double angle = 2 * acos(-1.0) * ((bin * t) % k) / k;
        const int at = sum_place<Cfg>(i, bin);
        y += 2 * (a[at] * cos(angle) - a[at + 1] * sin(angle));
      }
      y = ldexp(y, -halvings) + static_cast<double>(b[index]);
      const double limit = ldexp(1.0, Cfg::out_bits - 1);
      const double wanted = fmin(limit - 1, fmax(-limit, ldexp(y, -Cfg::out_shift)));
      check::that(fabs(out[0][index] - wanted) <= ldexp(bound, -Cfg::out_shift) + 0.5, "value", index, out[0][index]);
    }
  }
}

}  // namespace

int main() {
  run<config<5, 7, 2, 8, 8, 0, 1, 1, 1, 1, 1, 1> >();
  run<config<5, 7, 2, 8, 8, 0, 1, 2, 1, 4, 1, 2> >();
  run<config<9, 7, 4, 12, 8, 0, 1, 4, 1, 2, 2, 1> >();
  run<config<9, 7, 4, 12, 8, 1, 1, 2, 1, 3, 1, 3> >();
  run<config<30, 7, 8, 12, 8, 0, 1, 4, 1, 4, 4, 2> >();
  run<config<30, 7, 8, 12, 8, 1, 1, 8, 1, 3, 2, 1> >();
  run<config<30, 7, 8, 8, 8, 2, 1, 1, 1, 1, 1, 1> >();
  run<config<45, 7, 16, 12, 8, 0, 1, 8, 1, 2, 8, 2> >();
  run<config<45, 7, 16, 8, 8, 2, 1, 2, 1, 2, 1, 1> >();
  run<config<70, 7, 32, 12, 8, 0, 1, 16, 1, 2, 4, 1> >();
  run<config<70, 7, 32, 8, 8, 4, 1, 32, 1, 1, 2, 1> >();
  run<config<70, 7, 64, 16, 8, 3, 1, 4, 1, 1, 32, 1, 0, 18, 6> >();
  run<config<200, 7, 128, 18, 8, 0, 1, 8, 1, 2, 2, 2, 0, 18, 5> >();
  run<config<300, 7, 256, 18, 8, 4, 1, 2, 1, 2, 4, 1, 0, 18, 9> >();
  run<config<300, 7, 256, 8, 8, 7, 1, 64, 1, 1, 1, 1, 0, 18, 3> >();
  return check::result();
}

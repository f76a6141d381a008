// SPDX-License-Identifier: Apache-2.0
// irfft_unrolled.h against a recursion over wide integers, bit by bit, and that against a double-precision inverse DFT.
#include "swm/irfft_unrolled.h"

#include "circulant_config.h"
#include "transform_reference.h"

namespace {

/// The points of a spectrum, within the error that roundings and 16-bit twiddles allow.
void check_dft(const reference::spectrum& a, const reference::points& y, int halvings, int bits) {
  const int words = static_cast<int>(a.size()), k = 2 * words;
  const double bound = 2 * k * (2 + ldexp(2.0, bits - 17));
  for (int t = 0; t < k; ++t) {
    double sum = static_cast<double>(a[0].re) + (t % 2 ? -1 : 1) * static_cast<double>(a[0].im);
    for (int bin = 1; bin < words; ++bin) {
      const double angle = 2 * acos(-1.0) * ((bin * t) % k) / k;
      sum += 2 * (static_cast<double>(a[bin].re) * cos(angle) - static_cast<double>(a[bin].im) * sin(angle));
    }
    check::that(fabs(static_cast<double>(y[t]) - ldexp(sum, -halvings)) <= bound, "inverse DFT", k, t);
  }
}

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  const int k = Cfg::k, words = L::words, halvings = L::stages - Cfg::fft_shifts, tokens_of[] = {1, 2, 5};
  const long long high = (1LL << (L::rounded_bits - 1)) - 1;
  static typename L::bias_t bias[L::bias_words];
  for (int trial = 0; trial < 9; ++trial) {
    const int tokens = tokens_of[trial % 3], blocks = L::ifft_groups * L::ifft_lanes;
    check::words a = check::values(tokens * blocks * k, L::rounded_bits), b = check::values(Cfg::m, Cfg::bias_bits);
    for (size_t i = 0; i < a.size() && trial < 6; ++i) {  // every bin at the end of its range
      a[i] = trial == 0 ? high : trial == 1 ? -high - 1 : check::next() % 2 ? high : -high - 1;
    }
    check::fill(bias, b);
    check::channel<typename L::rounded_t, L::a_beat> in;
    check::channel<typename L::out_t, Cfg::out_vec> values(tokens * L::bias_words);
    in.put(a);
    swm::irfft_unrolled<Cfg>(tokens, bias, in.port, values.port);
    const check::words out = values.take(tokens * L::bias_words);
    const long long ticks = check::ticked(Cfg::tick + 2);
    check::that(ticks == L::irfft_iterations(tokens), "iterations", ticks, L::irfft_iterations(tokens));
    for (int t = 0; t < tokens; ++t) {
      for (int i = 0; i < blocks; ++i) {
        reference::spectrum block(words);
        for (int w = 0; w < words; ++w) {
          const int at = (t * blocks + i) * k + 2 * w;
          block[w] = {a[at], a[at + 1]};
        }
        const reference::points y = reference::inverse(block, halvings);
        check_dft(block, y, halvings, L::inverse_bits);
        for (int r = 0; r < k && i * k + r < L::bias_words; ++r) {
          const int index = i * k + r;
          const check::wide v = index < Cfg::m ? y[r] + b[index] : 0;
          const check::wide wanted = check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits);
          const long long got = out[t * L::bias_words + index];
          check::that(got == wanted, "value", got, static_cast<long long>(wanted));
        }
      }
    }
  }
}

}  // namespace

int main() {
  //               m  n  k bits weights shifts V V' acc_shift out_bits out_shift
  run<config<shape<5, 7, 2, 8, 8, 0, 1, 1> > >();
  run<config<shape<5, 7, 2, 18, 8, 0, 1, 2, 0, 18, 5> > >();
  run<config<shape<5, 7, 2, 4, 8, 0, 1, 8> > >();
  run<config<shape<9, 7, 4, 12, 8, 0, 1, 4> > >();
  run<config<shape<9, 7, 4, 18, 8, 1, 1, 2, 0, 12, 12> > >();
  run<config<shape<21, 7, 4, 4, 8, 1, 1, 16> > >();
  run<config<shape<30, 7, 8, 12, 8, 0, 1, 4> > >();
  run<config<shape<30, 7, 8, 18, 8, 1, 1, 8, 0, 18, 6> > >();
  run<config<shape<33, 7, 8, 8, 8, 2, 1, 1> > >();
  run<config<shape<64, 7, 8, 18, 8, 2, 1, 16, 0, 8, 15> > >();
  run<config<shape<70, 7, 8, 12, 8, 0, 1, 32> > >();
  run<config<shape<45, 7, 16, 12, 8, 0, 1, 8> > >();
  run<config<shape<45, 7, 16, 18, 8, 2, 1, 2, 0, 18, 7> > >();
  run<config<shape<64, 7, 16, 18, 8, 3, 1, 16, 0, 18, 8> > >();
  run<config<shape<50, 7, 16, 4, 8, 1, 1, 32> > >();
  run<config<shape<17, 7, 16, 16, 8, 2, 1, 1> > >();
  return check::result();
}

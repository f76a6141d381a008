// SPDX-License-Identifier: Apache-2.0
// rfft_unrolled.h against a recursion over wide integers, bit by bit, and that against a double-precision DFT.
#include "swm/rfft_unrolled.h"

#include "circulant_config.h"
#include "transform_reference.h"

namespace {

/// The spectrum of a block, within the error that roundings and 16-bit twiddles allow.
void check_dft(const reference::points& x, const reference::spectrum& y, int shifts, int bits) {
  const int k = static_cast<int>(x.size());
  const double bound = k * (2 + ldexp(2.0, bits - 17)), scale = ldexp(1.0, -shifts);
  for (int bin = 0; bin <= k / 2; ++bin) {
    double re = 0, im = 0;
    for (int t = 0; t < k; ++t) {
      const double angle = 2 * acos(-1.0) * ((bin * t) % k) / k;
      re += static_cast<double>(x[t]) * cos(angle) * scale;
      im -= static_cast<double>(x[t]) * sin(angle) * scale;
    }
    const bool real = bin == 0 || bin == k / 2;
    const reference::word got = y[bin % (k / 2)];
    check::that(fabs(static_cast<double>(bin == k / 2 ? got.im : got.re) - re) <= bound, "real part of a DFT", k, bin);
    if (!real) check::that(fabs(static_cast<double>(got.im) - im) <= bound, "imaginary part of a DFT", k, bin);
  }
}

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  const int k = Cfg::k, tokens_of[] = {1, 2, 5};
  const long long low = -(1LL << (Cfg::in_bits - 1));
  for (int trial = 0; trial < 6; ++trial) {
    const int tokens = tokens_of[trial % 3], room = tokens * L::x_beats * L::x_beat;
    check::words x(tokens * L::in_beats * Cfg::in_vec, 0);
    for (int t = 0; t < tokens; ++t) {
      for (int i = 0; i < Cfg::n; ++i) {
        const long long ends[] = {low, -low - 1, i % 2 ? low : -low - 1};
        x[t * L::in_beats * Cfg::in_vec + i] = trial < 3 && t < 3 ? ends[(trial + t) % 3] : check::value(Cfg::in_bits);
      }
    }
    check::channel<typename L::in_t, Cfg::in_vec> in;
    check::channel<typename L::spectrum_t, L::x_beat> spectra(room);
    in.put(x);
    swm::rfft_unrolled<Cfg>(tokens, in.port, spectra.port);
    const check::words out = spectra.take(room);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::rfft_iterations(tokens), "iterations", ticks, L::rfft_iterations(tokens));
    check::that(ticks == tokens * L::x_beats, "period", ticks, L::x_beats);
    for (int t = 0; t < tokens; ++t) {
      for (int j = 0; j < L::x_beats * L::fft_lanes; ++j) {
        reference::points block(k, 0);
        for (int i = 0; i < k; ++i) {
          if (j * k + i < Cfg::n) block[i] = x[t * L::in_beats * Cfg::in_vec + j * k + i];
        }
        const reference::spectrum wanted = reference::forward(block, L::stages - Cfg::fft_shifts);
        check_dft(block, wanted, Cfg::fft_shifts, L::spectrum_bits);
        for (int w = 0; w < k / 2; ++w) {
          const int at = t * L::x_beats * L::x_beat + spectrum_place<Cfg>(j, w);
          check::that(out[at] == wanted[w].re, "real part", out[at], static_cast<long long>(wanted[w].re));
          check::that(out[at + 1] == wanted[w].im, "imaginary part", out[at + 1], static_cast<long long>(wanted[w].im));
        }
      }
    }
  }
}

}  // namespace

int main() {
  //              m   n  k bits weights shifts V
  run<config<shape<2, 7, 2, 8, 8, 0, 1, 1> > >();
  run<config<shape<2, 7, 2, 18, 8, 0, 2, 1> > >();
  run<config<shape<2, 7, 2, 4, 8, 0, 8, 1> > >();
  run<config<shape<4, 9, 4, 12, 8, 0, 1, 1> > >();
  run<config<shape<4, 10, 4, 18, 8, 1, 2, 1> > >();
  run<config<shape<4, 4, 4, 5, 8, 0, 4, 1> > >();
  run<config<shape<4, 27, 4, 18, 8, 0, 16, 1> > >();
  run<config<shape<8, 30, 8, 12, 8, 0, 1, 1> > >();
  run<config<shape<8, 33, 8, 18, 8, 0, 4, 1> > >();
  run<config<shape<8, 64, 8, 18, 8, 1, 8, 1> > >();
  run<config<shape<8, 41, 8, 4, 8, 2, 16, 1> > >();
  run<config<shape<8, 100, 8, 12, 8, 1, 64, 1> > >();
  run<config<shape<16, 20, 16, 18, 8, 0, 1, 1> > >();
  run<config<shape<16, 64, 16, 18, 8, 2, 4, 1> > >();
  run<config<shape<16, 45, 16, 12, 8, 3, 8, 1> > >();
  run<config<shape<16, 90, 16, 16, 8, 1, 16, 1> > >();
  run<config<shape<16, 90, 16, 4, 8, 0, 64, 1> > >();
  return check::result();
}

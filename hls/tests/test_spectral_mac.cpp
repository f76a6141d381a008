// SPDX-License-Identifier: Apache-2.0
// spectral_mac.h against loops over 128-bit complex integers, bit by bit.
#include "swm/spectral_mac.h"

#include "check.h"
#include "circulant_config.h"

namespace {

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  const int p = L::p, q = L::q, words = L::words, bins = Cfg::mac_bins, rows = Cfg::mac_blocks;
  static typename L::weight_t rom[L::rom_depth][L::rom_lanes];
  bool clipped = false, inside = false;
  for (int trial = 0; trial < 3; ++trial) {
    const int x_bits = trial == 0 ? L::spectrum_bits : L::spectrum_bits / 2;  // weak signals do not saturate
    check::words w = check::values(p * q * words * 2, Cfg::weight_bits);
    check::words x(L::fft_groups * Cfg::fft_lanes * words * 2, 0);
    for (int j = 0; j < q; ++j) {
      for (int b = 0; b < words; ++b) {
        for (int part = 0; part < 2; ++part) x[spectrum_place<Cfg>(j, b) + part] = check::value(x_bits);
      }
    }
    for (int address = 0; address < L::rom_depth; ++address) {
      const int j = address % q, f = address / q % L::word_groups, group = address / q / L::word_groups;
      for (int o = 0; o < rows; ++o) {
        for (int b = 0; b < bins; ++b) {
          for (int part = 0; part < 2; ++part) {
            const int i = group * rows + o;
            const long long value = i < p ? w[((i * q + j) * words + f * bins + b) * 2 + part] : 0;
            rom[address][(o * bins + b) * 2 + part] = typename L::weight_t(value);
          }
        }
      }
    }
    const int room = L::mac_groups * rows * words * 2;
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::spectrum_t, L::x_beat> in;
      check::channel<typename L::rounded_t, L::a_beat> sums(room);
      in.put(x);
      swm::spectral_mac<Cfg>(rom, in.port, sums.port);
      out[again] = sums.take(room);
      const long long ticks = check::ticked(4 * Cfg::id + 1);
      check::that(ticks == L::mac_iterations, "iterations", ticks, L::mac_iterations);
    }
    check::that(out[0] == out[1], "same answer twice");
    for (int i = 0; i < p; ++i) {
      for (int b = 0; b < words; ++b) {
        check::wide re = 0, im = 0;
        for (int j = 0; j < q; ++j) {
          const int at = ((i * q + j) * words + b) * 2, place = spectrum_place<Cfg>(j, b);
          const check::wide xr = x[place], xi = x[place + 1], wr = w[at], wi = w[at + 1];
          re += b == 0 ? xr * wr : xr * wr - xi * wi;
          im += b == 0 ? xi * wi : xr * wi + xi * wr;
        }
        const check::wide parts[] = {re, im};
        for (int part = 0; part < 2; ++part) {
          const check::wide exact = check::round_to(parts[part], Cfg::acc_shift), wanted = check::clip(exact, L::rounded_bits);
          const long long got = out[0][sum_place<Cfg>(i, b) + part];
          check::that(got == wanted, "sum", got, static_cast<long long>(wanted));
          clipped = clipped || exact != wanted;
          inside = inside || (exact == wanted && exact != 0);
        }
      }
    }
  }
  check::that(clipped && inside, "values that saturate and values that do not", clipped, inside);
}

}  // namespace

int main() {
  run<config<5, 7, 2, 8, 8, 0, 1, 1, 1, 1, 1, 1, 2> >();
  run<config<5, 7, 2, 8, 8, 0, 1, 1, 3, 2, 1, 1, 2> >();
  run<config<9, 7, 4, 12, 12, 0, 1, 1, 2, 2, 2, 1, 9> >();
  run<config<9, 27, 4, 12, 4, 1, 1, 1, 3, 4, 1, 2, 0> >();
  run<config<20, 50, 8, 12, 12, 0, 1, 1, 5, 1, 4, 1, 10> >();
  run<config<20, 50, 8, 4, 4, 1, 1, 1, 1, 3, 2, 3, 1> >();
  run<config<40, 50, 16, 16, 16, 0, 1, 1, 2, 2, 8, 2, 16> >();
  run<config<70, 100, 32, 16, 18, 2, 1, 1, 4, 2, 4, 1, 14> >();
  run<config<70, 100, 64, 18, 18, 0, 1, 1, 1, 2, 32, 1, 18> >();
  run<config<130, 200, 128, 18, 18, 3, 1, 1, 2, 1, 2, 1, 15> >();
  run<config<256, 600, 256, 18, 18, 0, 1, 1, 2, 1, 16, 1, 20> >();
  return check::result();
}

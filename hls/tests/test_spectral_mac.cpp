// SPDX-License-Identifier: Apache-2.0
// spectral_mac.h against loops over 128-bit complex integers, bit by bit.
#include "swm/spectral_mac.h"

#include "check.h"
#include "circulant_config.h"
#include "probe.h"

namespace {

/// Weights [row][column][position][part] in the order of the ROM.
template <class Cfg>
void fill_rom(const check::words& w, typename swm::circulant<Cfg>::weight_t* rom) {
  typedef swm::circulant<Cfg> L;
  const int all = L::rom_banks * L::rom_lanes;
  int address = 0;
  for (int g = 0; g < L::row_groups; ++g) {
    for (int f = 0; f < L::word_groups; ++f) {
      for (int c = 0; c < L::column_groups; ++c, ++address) {
        for (int lane = 0; lane < all; ++lane) {
          const int part = lane % 2, b = lane / 2 % L::mac_bins, column = lane / 2 / L::mac_bins % L::mac_columns;
          const int i = g * L::mac_rows + lane / 2 / L::mac_bins / L::mac_columns, j = c * L::mac_columns + column;
          const long long value = i < L::p && j < L::q ? w[((i * L::q + j) * L::words + f * L::mac_bins + b) * 2 + part] : 0;
          rom[(lane / L::rom_lanes * L::rom_depth + address) * L::rom_lanes + lane % L::rom_lanes] = typename L::weight_t(value);
        }
      }
    }
  }
}

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  const int p = L::p, q = L::q, words = L::words, tokens_of[] = {1, 2, 5};
  static typename L::weight_t rom[L::rom_banks][L::rom_depth][L::rom_lanes];
  bool clipped = false, inside = false;
  for (int trial = 0; trial < 5; ++trial) {
    const int tokens = tokens_of[trial % 3];
    const int x_bits = trial < 2 ? L::spectrum_bits : L::spectrum_bits / 2;  // weak signals do not saturate
    const int given = L::mac_loads * L::x_beat, taken = sum_beats<Cfg>() * L::a_beat;
    const check::words w = trial == 0 ? check::words(p * q * words * 2, -(1LL << (Cfg::weight_bits - 1)))
                                      : check::values(p * q * words * 2, Cfg::weight_bits);
    // Lanes behind the last block column bring values too: their weights are zero.
    const check::words x = trial == 0 ? check::words(tokens * given, -(1LL << (L::spectrum_bits - 1)))
                                      : check::values(tokens * given, x_bits);
    fill_rom<Cfg>(w, &rom[0][0][0]);
    check::channel<typename L::spectrum_t, L::x_beat> in;
    check::channel<typename L::rounded_t, L::a_beat> sums(tokens * taken);
    in.put(x);
    swm::spectral_mac<Cfg>(tokens, rom, in.port, sums.port);
    const check::words out = sums.take(tokens * taken);
    const long long ticks = check::ticked(Cfg::tick + L::mac_place);
    check::that(ticks == L::mac_iterations(tokens), "iterations", ticks, L::mac_iterations(tokens));
    for (int t = 0; t < tokens; ++t) {
      for (int i = 0; i < p; ++i) {
        for (int at = 0; at < words; ++at) {
          check::wide re = 0, im = 0;
          for (int j = 0; j < q; ++j) {
            const int weight = ((i * q + j) * words + at) * 2, place = t * given + spectrum_place<Cfg>(j, at);
            const check::wide xr = x[place], xi = x[place + 1], wr = w[weight], wi = w[weight + 1];
            re += word_at<Cfg>(at) == 0 ? xr * wr : xr * wr - xi * wi;
            im += word_at<Cfg>(at) == 0 ? xi * wi : xr * wi + xi * wr;
          }
          const check::wide parts[] = {re, im};
          for (int part = 0; part < 2; ++part) {
            const check::wide exact = check::round_to(parts[part], Cfg::acc_shift), wanted = check::clip(exact, L::rounded_bits);
            const long long got = out[t * taken + sum_place<Cfg>(i, at) + part];
            check::that(got == wanted, "sum", got, static_cast<long long>(wanted));
            clipped = clipped || exact != wanted;
            inside = inside || (exact == wanted && exact != 0);
          }
        }
      }
    }
  }
  check::that(clipped && inside, "values that saturate and values that do not", clipped, inside);

  swm::probe<typename L::spectrum_t> in(Cfg::tick + L::mac_place);
  swm::probe<typename L::rounded_t> out(Cfg::tick + L::mac_place);
  swm::spectral_mac<Cfg>(3, rom, in, out);
  const int rows = L::p - (L::row_groups - 1) * L::mac_rows, all = L::word_groups * L::column_groups;
  check::walk_times(in.iterations, out.iterations, 3, L::mac_loads, L::row_groups, L::streaming ? 1 : L::word_groups,
                    L::streaming ? all : L::column_groups, swm::ceil_div(L::mac_rows, L::ifft_lanes),
                    swm::ceil_div(rows, L::ifft_lanes), check::ticked(Cfg::tick + L::mac_place));
}

// Shapes: m, n, k, bits, weights, shifts, V, V', acc_shift.
typedef shape<5, 7, 2, 8, 8, 0, 1, 1, 2> pairs;
typedef shape<11, 13, 2, 8, 8, 0, 4, 4, 2> wide_pairs;
typedef shape<9, 26, 4, 12, 12, 0, 4, 2, 9> fours;
typedef shape<40, 32, 4, 12, 12, 1, 8, 8, 9> wide_fours;
typedef shape<64, 64, 8, 12, 12, 0, 8, 8, 11> even;
typedef shape<45, 61, 8, 12, 12, 0, 4, 2, 11> uneven;
typedef shape<45, 61, 8, 12, 12, 1, 16, 16, 11> wide_beats;
typedef shape<45, 61, 8, 16, 18, 0, 8, 8, 16> wide_weights;
typedef shape<40, 70, 8, 8, 8, 0, 8, 8, 7> bytes;
typedef shape<40, 70, 16, 18, 17, 0, 16, 8, 17> sixteens;
typedef shape<90, 40, 16, 4, 4, 1, 32, 32, 3> nibbles;
typedef shape<70, 100, 32, 16, 17, 2, 4, 4, 14> passes;
typedef shape<130, 200, 64, 12, 12, 0, 16, 8, 13> wide_passes;

}  // namespace

int main() {
  //               PO QP PF products banks fabric packed
  run<config<pairs, 1, 1, 1> >();
  run<config<pairs, 2, 3, 1, 4> >();
  run<config<wide_pairs, 2, 2, 1, 3, 2> >();
  run<config<wide_pairs, 6, 2, 1, 3, 4, 3> >();
  run<config<fours, 1, 1, 1> >();
  run<config<fours, 2, 4, 2, 3, 1, 1> >();
  run<config<wide_fours, 2, 2, 1> >();
  run<config<wide_fours, 6, 2, 2, 4> >();
  run<config<even, 2, 1, 4, 3, 2> >();
  run<config<even, 8, 1, 4, 3, 4, 2> >();  // as many loads as products
  run<config<even, 4, 4, 2> >();
  run<config<uneven, 1, 1, 1> >();
  run<config<uneven, 4, 3, 2, 3, 3> >();
  run<config<uneven, 2, 4, 4, 4, 2, 1> >();
  run<config<wide_beats, 2, 2, 4> >();
  run<config<wide_beats, 4, 6, 1> >();
  run<config<wide_weights, 3, 3, 4, 4> >();
  run<config<bytes, 2, 1, 4, 4, 1, 0, 1> >();
  run<config<bytes, 4, 3, 2, 4, 2, 2, 1> >();
  run<config<bytes, 4, 9, 1, 4> >();  // more loads than products
  run<config<sixteens, 1, 1, 8> >();
  run<config<sixteens, 2, 2, 4> >();
  run<config<nibbles, 4, 2, 8, 4, 1, 2, 1> >();
  run<config<nibbles, 2, 2, 1, 3> >();
  run<config<passes, 1, 1, 2> >();
  run<config<passes, 3, 1, 16, 3, 3, 1> >();  // more loads than products
  run<config<passes, 2, 3, 4, 4> >();
  run<config<wide_passes, 2, 4, 8, 3, 2> >();
  run<side_by_side<config<wide_beats, 2, 6, 4>, 3> >();
  run<side_by_side<config<passes, 2, 3, 4, 4>, 3> >();
  run<config<wide_passes, 2, 4, 32, 3, 2> >();
  return check::result();
}

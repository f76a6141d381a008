// SPDX-License-Identifier: Apache-2.0
// A network of three layers (blocks of 8, blocks of 16, dense) as the generic flavour emits it: calls over plain arrays.
#include "swm/dense.h"
#include "swm/irfft_unrolled.h"
#include "swm/rfft_unrolled.h"
#include "swm/spectral_mac.h"

namespace {

struct lines {
  static constexpr int input_shift = 4, input_bits = 14, first = -4096, step_bits = 9, start_bits = 11, rise_bits = 9;
  static constexpr int base_shift = 9, out_shift = 12, entries = 16, rectified = 1;
  static swm::int_t<11> start(int i) { return swm::int_t<11>(i * 50 - 400); }
  static swm::int_t<9> rise(int i) { return swm::int_t<9>(i * 10); }
};
struct below {
  static constexpr int input_shift = 4, input_bits = 14, slope = 41, slope_bits = 7, offset = 0, offset_bits = 1;
  static constexpr int offset_shift = 12, out_shift = 9, low = -128, high = 127;
};

struct first {
  static constexpr int tick = 0, m = 32, n = 24, k = 8;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 17, out_bits = 12;
  static constexpr int fft_shifts = 0, acc_shift = 8, out_shift = 4;
  static constexpr int in_vec = 8, out_vec = 8, mac_rows = 2, mac_columns = 1, mac_bins = 4, products = 3;
  static constexpr int rom_banks = 1, rom_lanes = 16, fabric_rows = 1;
  typedef swm::relu activation;
};
struct second : first {
  static constexpr int tick = 3, m = 32, n = 32, k = 16, mac_rows = 2, mac_bins = 8, rom_lanes = 32, products = 4, packed = 0;
  typedef swm::curve<lines> activation;
};
struct third : first {
  static constexpr int tick = 6, m = 10, n = 32, out_vec = 2, rows = 2, columns = 8, rom_lanes = 16;
  typedef swm::leaky<below> activation;
};

typedef swm::circulant<first> one;
typedef swm::circulant<second> two;
typedef swm::dense_layer<third> three;

one::weight_t one_rom[one::rom_banks][one::rom_depth][one::rom_lanes];
one::bias_t one_bias[one::bias_words];
two::weight_t two_rom[two::rom_banks][two::rom_depth][two::rom_lanes];
two::bias_t two_bias[two::bias_words];
three::weight_t three_rom[three::rom_banks][three::rom_depth][three::rom_lanes];
three::bias_t three_bias[three::bias_words];

}  // namespace

extern "C" void top(one::in_t* in, three::out_t* out) {
  static one::spectrum_t one_spectra[one::x_beats * one::x_beat];
  static one::rounded_t one_sums[one::ifft_groups * one::a_beat];
  static one::out_t between[one::bias_words];
  static two::spectrum_t two_spectra[two::x_beats * two::x_beat];
  static two::rounded_t two_sums[two::ifft_groups * two::a_beat];
  static two::out_t last[two::bias_words];
  one::spectrum_t* one_x = one_spectra;
  one::rounded_t* one_a = one_sums;
  one::out_t* one_y = between;
  two::spectrum_t* two_x = two_spectra;
  two::rounded_t* two_a = two_sums;
  two::out_t* two_y = last;
  swm::rfft_unrolled<first>(1, in, one_x);
  swm::spectral_mac<first>(1, one_rom, one_x, one_a);
  swm::irfft_unrolled<first>(1, one_bias, one_a, one_y);
  swm::rfft_unrolled<second>(1, one_y, two_x);
  swm::spectral_mac<second>(1, two_rom, two_x, two_a);
  swm::irfft_unrolled<second>(1, two_bias, two_a, two_y);
  swm::dense<third>(1, three_rom, three_bias, two_y, out);
}

// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "curves" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/width.h"
#include "swm/dense.h"
#include "swm/dense_beside.h"
#include "swm/circulant.h"
#include "swm/rfft_unrolled.h"
#include "swm/irfft_unrolled.h"
#include "swm/rfft_passes.h"
#include "swm/irfft_passes.h"
#include "swm/spectral_mac.h"

namespace net {

/// 6 channels, 4 to 1 a beat.
struct x_width {
  static constexpr int tick = 1;
  static constexpr int n = 6, bits = 6;
  static constexpr int in_vec = 4, out_vec = 1;
};

typedef swm::width_layer<x_width> x_width_traits;

/// leaky_relu 0.01: slope 41 / 2^12, off by at most 8.9e-03 (0.07 of the output's last bit) before the last rounding.
struct l0_dense_activation {
  static constexpr int input_shift = 8, input_bits = 13, slope = 41, slope_bits = 7, offset = 0, offset_bits = 1;
  static constexpr int offset_shift = 12, out_shift = 9, low = -32, high = 31;
};

/// node0: dense, 6 to 5, leaky_relu.
/// Formats: input Q3.3, weights Q1.5, output Q3.3.
struct l0_dense {
  static constexpr int tick = 2;
  static constexpr int m = 5, n = 6;
  static constexpr int in_bits = 6, weight_bits = 6, bias_bits = 15, out_bits = 6;
  static constexpr int out_shift = 5;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::leaky<l0_dense_activation> activation;
};

typedef swm::dense_layer<l0_dense> l0_dense_traits;

/// swish 1: table of 174 constants, each 0.0625 wide, off by at most 1.6e-02 (0.50 of the output's last bit) before the last rounding.
struct l1_circulant_activation {
  static constexpr int input_shift = 0, input_bits = 12, first = -1392, step_bits = 4, start_bits = 8, rise_bits = 0;
  static constexpr int base_shift = 0, out_shift = 3, entries = 174, rectified = 1;
  static swm::int_t<8> start(int i) {
    SWM_INLINE
    static const swm::int_t<8> rom[174] = {
-3, -6, -7, -7, -8, -8, -8, -9, -9, -10, -10, -11, -11, -12, -12, -13,
-14, -14, -15, -16, -16, -17, -18, -19, -20, -21, -22, -23, -24, -25, -26, -27,
-28, -29, -30, -32, -33, -34, -36, -37, -39, -40, -41, -43, -45, -46, -48, -49,
-51, -52, -54, -56, -57, -59, -60, -62, -63, -64, -66, -67, -68, -69, -70, -70,
-71, -71, -71, -71, -71, -70, -69, -68, -67, -65, -63, -60, -57, -54, -50, -46,
-42, -37, -31, -25, -19, -12, -4, -4, -11, -18, -25, -31, -36, -41, -46, -50,
-54, -57, -60, -63, -65, -67, -68, -69, -70, -71, -71, -71, -71, -71, -70, -70,
-69, -68, -67, -66, -65, -63, -62, -60, -59, -57, -56, -54, -53, -51, -49, -48,
-46, -45, -43, -42, -40, -39, -37, -36, -34, -33, -32, -30, -29, -28, -27, -26,
-25, -24, -23, -22, -21, -20, -19, -18, -17, -16, -16, -15, -14, -14, -13, -12,
-12, -11, -11, -10, -10, -9, -9, -8, -8, -8, -7, -7, -7, -3};
    SWM_ROM(rom)
    return rom[i];
  }
};

/// node1: block-circulant, 5 to 6, blocks of 2, swish.
/// Formats: input Q3.3, weights Q1.5, output Q1.5.
struct l1_circulant {
  static constexpr int tick = 3;
  static constexpr int m = 6, n = 5, k = 2;
  static constexpr int in_bits = 6, weight_bits = 6, bias_bits = 11, out_bits = 6;
  static constexpr int fft_shifts = 0, acc_shift = 0;
  static constexpr int out_shift = 3;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = 1, mac_columns = 1, mac_bins = 1, products = 3;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 2;
  typedef swm::curve<l1_circulant_activation> activation;
};

typedef swm::circulant<l1_circulant> l1_circulant_traits;

/// sigmoid: table of 120 constants, each 0.0625 wide, off by at most 1.3e-02 (0.41 of the output's last bit) before the last rounding.
struct l2_dense_activation {
  static constexpr int input_shift = 2, input_bits = 11, first = -960, step_bits = 4, start_bits = 9, rise_bits = 0;
  static constexpr int base_shift = 0, out_shift = 3, entries = 120, rectified = 0;
  static swm::int_t<9> start(int i) {
    SWM_INLINE
    static const swm::int_t<9> rom[120] = {
3, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 15,
16, 17, 18, 19, 20, 21, 22, 24, 25, 27, 28, 30, 31, 33, 35, 37,
39, 41, 43, 45, 48, 50, 53, 56, 58, 61, 64, 67, 70, 74, 77, 80,
84, 87, 91, 95, 98, 102, 106, 110, 114, 118, 122, 126, 130, 134, 138, 142,
146, 150, 154, 157, 161, 165, 168, 172, 175, 179, 182, 185, 189, 192, 195, 197,
200, 203, 206, 208, 210, 213, 215, 217, 219, 221, 223, 225, 226, 228, 229, 231,
232, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 243, 244, 245, 246, 246,
247, 247, 248, 248, 249, 249, 250, 253};
    SWM_ROM(rom)
    return rom[i];
  }
};

/// node2: dense, 6 to 5, sigmoid.
/// Formats: input Q1.5, weights Q1.5, output Q1.5.
struct l2_dense {
  static constexpr int tick = 6;
  static constexpr int m = 5, n = 6;
  static constexpr int in_bits = 6, weight_bits = 6, bias_bits = 15, out_bits = 6;
  static constexpr int out_shift = 5;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::curve<l2_dense_activation> activation;
};

typedef swm::dense_layer<l2_dense> l2_dense_traits;

/// node3: dense, 5 to 4, clip.
/// Formats: input Q1.5, weights Q1.5, output Q0.6.
struct l3_dense {
  static constexpr int tick = 7;
  static constexpr int m = 4, n = 5;
  static constexpr int in_bits = 6, weight_bits = 6, bias_bits = 15, out_bits = 6;
  static constexpr int out_shift = 4;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::clip<0, 32> activation;
};

typedef swm::dense_layer<l3_dense> l3_dense_traits;

/// 4 channels, 1 to 2 a beat.
struct l3_dense_y_width {
  static constexpr int tick = 8;
  static constexpr int n = 4, bits = 6;
  static constexpr int in_vec = 1, out_vec = 2;
};

typedef swm::width_layer<l3_dense_y_width> l3_dense_y_width_traits;

}  // namespace net

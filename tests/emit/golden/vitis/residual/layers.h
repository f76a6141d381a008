// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "residual" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/circulant.h"
#include "swm/rfft_unrolled.h"
#include "swm/irfft_unrolled.h"
#include "swm/rfft_passes.h"
#include "swm/irfft_passes.h"
#include "swm/spectral_mac.h"
#include "swm/fork.h"
#include "swm/width.h"
#include "swm/add.h"
#include "swm/dense.h"
#include "swm/dense_beside.h"

namespace net {

/// node0: block-circulant, 16 to 16, blocks of 4, relu.
/// Formats: input Q3.9, weights Q0.12, output Q2.10.
struct l0_circulant {
  static constexpr int tick = 1;
  static constexpr int m = 16, n = 16, k = 4;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 17, out_bits = 12;
  static constexpr int fft_shifts = 0, acc_shift = 8;
  static constexpr int out_shift = 3;
  static constexpr int in_vec = 4, out_vec = 4;
  static constexpr int mac_rows = 1, mac_columns = 1, mac_bins = 1, products = 3;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 2;
  typedef swm::relu activation;
};

typedef swm::circulant<l0_circulant> l0_circulant_traits;

/// 16 channels to 2 readers.
struct l0_circulant_y_fork {
  static constexpr int tick = 4;
  static constexpr int n = 16, bits = 12, vec = 4;
};

typedef swm::fork_layer<l0_circulant_y_fork> l0_circulant_y_fork_traits;

/// 16 channels, 4 to 1 a beat.
struct l0_circulant_y0_width {
  static constexpr int tick = 5;
  static constexpr int n = 16, bits = 12;
  static constexpr int in_vec = 4, out_vec = 1;
};

typedef swm::width_layer<l0_circulant_y0_width> l0_circulant_y0_width_traits;

/// 16 channels, 4 to 1 a beat.
struct l0_circulant_y1_width {
  static constexpr int tick = 6;
  static constexpr int n = 16, bits = 12;
  static constexpr int in_vec = 4, out_vec = 1;
};

typedef swm::width_layer<l0_circulant_y1_width> l0_circulant_y1_width_traits;

/// node1: block-circulant, 16 to 16, blocks of 8, identity.
/// Formats: input Q2.10, weights Q1.11, output Q1.11.
struct l1_circulant {
  static constexpr int tick = 7;
  static constexpr int m = 16, n = 16, k = 8;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 17, out_bits = 12;
  static constexpr int fft_shifts = 0, acc_shift = 8;
  static constexpr int out_shift = 2;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = 1, mac_columns = 1, mac_bins = 1, products = 3;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 2;
  typedef swm::identity activation;
};

typedef swm::circulant<l1_circulant> l1_circulant_traits;

/// node2: sum of two tensors of 16 channels, relu.
/// Formats: input Q2.10, Q1.11, weights -, output Q2.10.
struct l2_add {
  static constexpr int tick = 10;
  static constexpr int n = 16;
  static constexpr int a_bits = 12, b_bits = 12, out_bits = 12;
  static constexpr int a_shift = 1, b_shift = 0;
  static constexpr int out_shift = 1;
  static constexpr int vec = 1;
  typedef swm::relu activation;
};

typedef swm::add_layer<l2_add> l2_add_traits;

/// node3: dense, 16 to 4, identity.
/// Formats: input Q2.10, weights Q1.11, output Q2.10.
struct l3_dense {
  static constexpr int tick = 11;
  static constexpr int m = 4, n = 16;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 28, out_bits = 12;
  static constexpr int out_shift = 11;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::dense_layer<l3_dense> l3_dense_traits;

/// 4 channels, 1 to 2 a beat.
struct l3_dense_y_width {
  static constexpr int tick = 12;
  static constexpr int n = 4, bits = 12;
  static constexpr int in_vec = 1, out_vec = 2;
};

typedef swm::width_layer<l3_dense_y_width> l3_dense_y_width_traits;

}  // namespace net

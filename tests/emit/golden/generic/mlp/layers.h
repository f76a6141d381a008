// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "mlp" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/circulant.h"
#include "swm/rfft_unrolled.h"
#include "swm/irfft_unrolled.h"
#include "swm/rfft_passes.h"
#include "swm/irfft_passes.h"
#include "swm/spectral_mac.h"
#include "swm/dense.h"
#include "swm/dense_beside.h"

namespace net {

/// node0: block-circulant, 24 to 16, blocks of 8, relu.
/// Formats: input Q3.9, weights Q0.12, output Q2.10.
struct l0_circulant {
  static constexpr int tick = 0;
  static constexpr int m = 16, n = 24, k = 8;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 17, out_bits = 12;
  static constexpr int fft_shifts = 0, acc_shift = 9;
  static constexpr int out_shift = 2;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = 1, mac_columns = 1, mac_bins = 1, products = 3;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 2;
  typedef swm::relu activation;
};

typedef swm::circulant<l0_circulant> l0_circulant_traits;

/// node1: dense, 16 to 4, identity.
/// Formats: input Q2.10, weights Q1.11, output Q2.10.
struct l1_dense {
  static constexpr int tick = 3;
  static constexpr int m = 4, n = 16;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 28, out_bits = 12;
  static constexpr int out_shift = 11;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::dense_layer<l1_dense> l1_dense_traits;

}  // namespace net

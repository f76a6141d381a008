// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "mlp" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. The schedule that chose the lanes below also gives the cycles of the report.
#pragma once

#include "swm/irfft.h"
#include "swm/rfft.h"
#include "swm/spectral_mac.h"
#include "swm/dense.h"

namespace net {

/// fc0: circulant, 16 to 16, blocks of 4, sigmoid.
/// Formats: input Q3.9, weights Q1.11, output Q1.11.
struct l0_fc0 {
  static constexpr int id = 0;
  static constexpr int m = 16, n = 16, k = 4;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 17, out_bits = 12;
  static constexpr int fft_shifts = 0, acc_shift = 8;
  static constexpr int out_shift = 1, act_shift = 0, out_frac = 11;
  static constexpr int in_vec = 2, out_vec = 4;
  static constexpr int fft_lanes = 1, mac_blocks = 4, mac_bins = 2, ifft_lanes = 4;
  typedef swm::sigmoid activation;
};

/// fc1: dense, 16 to 4, identity.
/// Formats: input Q1.11, weights Q1.11, output Q2.10.
struct l1_fc1 {
  static constexpr int id = 1;
  static constexpr int m = 4, n = 16;
  static constexpr int in_bits = 12, weight_bits = 12, bias_bits = 28, out_bits = 12;
  static constexpr int out_shift = 12, act_shift = 10, out_frac = 10;
  static constexpr int in_vec = 4, out_vec = 4;
  static constexpr int rows = 4, columns = 16;
  typedef swm::identity activation;
};

}  // namespace net

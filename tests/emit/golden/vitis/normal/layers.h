// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "normal" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/width.h"
#include "swm/dense.h"
#include "swm/dense_beside.h"
#include "swm/layernorm.h"

namespace net {

/// 6 channels, 4 to 1 a beat.
struct x_width {
  static constexpr int tick = 1;
  static constexpr int n = 6, bits = 8;
  static constexpr int in_vec = 4, out_vec = 1;
};

typedef swm::width_layer<x_width> x_width_traits;

/// node0: dense, 6 to 5, identity.
/// Formats: input Q3.5, weights Q1.7, output Q3.5.
struct l0_dense {
  static constexpr int tick = 2;
  static constexpr int m = 5, n = 6;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 19, out_bits = 8;
  static constexpr int out_shift = 7;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::dense_layer<l0_dense> l0_dense_traits;

/// node1: layer normalisation, 5 channels, identity.
/// Formats: input Q3.5, weights Q2.6, output Q4.4.
struct l1_layernorm {
  static constexpr int tick = 3;
  static constexpr int n = 5;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 22, out_bits = 8;
  static constexpr int epsilon_low = 1, epsilon_high = 0, spread_bits = 22;
  static constexpr int normal_frac = 8, root_frac = 10, root_step = 6;
  static constexpr int out_shift = 10;
  static constexpr int vec = 1;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::layernorm_layer<l1_layernorm> l1_layernorm_traits;

/// node2: dense, 5 to 4, identity.
/// Formats: input Q4.4, weights Q2.6, output Q4.4.
struct l2_dense {
  static constexpr int tick = 6;
  static constexpr int m = 4, n = 5;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 19, out_bits = 8;
  static constexpr int out_shift = 6;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::dense_layer<l2_dense> l2_dense_traits;

/// 4 channels, 1 to 2 a beat.
struct l2_dense_y_width {
  static constexpr int tick = 7;
  static constexpr int n = 4, bits = 8;
  static constexpr int in_vec = 1, out_vec = 2;
};

typedef swm::width_layer<l2_dense_y_width> l2_dense_y_width_traits;

}  // namespace net

// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "images" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/pool.h"
#include "swm/window.h"
#include "swm/pad.h"
#include "swm/upsample.h"
#include "swm/reorder.h"
#include "swm/circulant.h"
#include "swm/rfft_unrolled.h"
#include "swm/irfft_unrolled.h"
#include "swm/rfft_passes.h"
#include "swm/irfft_passes.h"
#include "swm/spectral_mac.h"

namespace net {

/// node_a: mean under a window of 3 x 3, 3 channels, 5 x 4 to 3 x 2 positions, identity.
/// Formats: input Q3.5, weights -, output Q2.6.
struct l0_node_a {
  static constexpr int tick = 0;
  static constexpr int grid_rows = 5, grid_columns = 4, out_rows = 3, out_columns = 2;
  static constexpr int kernel_rows = 3, kernel_columns = 3, stride_rows = 2, stride_columns = 2;
  static constexpr int dilation_rows = 1, dilation_columns = 1, pad_rows = 1, pad_columns = 1;
  static constexpr int position_beats = 3, run_beats = 1, tap_rows = 1, tap_columns = 1;
  static constexpr int window_words = 1, window_bits = 8, window_fill = 0;
  static constexpr int n = 3, out_bits = 8, out_shift = 12;
  static constexpr int reciprocal_bits = 13, reciprocals = 16;
  static constexpr int low_row = 0, high_row = 5, low_column = 0, high_column = 4;
  typedef swm::identity activation;
};

typedef swm::pool_layer<l0_node_a> l0_node_a_traits;

/// node_b: 3 x 2 padded to 4 x 2 positions, 3 channels.
/// Formats: input Q2.6, weights -, output Q2.6.
struct l1_node_b {
  static constexpr int tick = 2;
  static constexpr int n = 3, bits = 8, vec = 1;
  static constexpr int grid_rows = 3, grid_columns = 2;
  static constexpr int before_rows = 0, before_columns = 0, behind_rows = 1, behind_columns = 0;
  static constexpr int fill = 16;
};

typedef swm::pad_layer<l1_node_b> l1_node_b_traits;

/// node_c: 4 x 2 positions, each 1 x 2 times, 3 channels.
/// Formats: input Q2.6, weights -, output Q2.6.
struct l2_node_c {
  static constexpr int tick = 3;
  static constexpr int n = 3, bits = 8, vec = 1;
  static constexpr int rows = 4, columns = 2;
  static constexpr int tall = 1, wide = 2;
};

typedef swm::upsample_layer<l2_node_c> l2_node_c_traits;

/// node_d: maximum under a window of 2 x 2, 3 channels, 4 x 4 to 2 x 2 positions, identity.
/// Formats: input Q2.6, weights -, output Q2.6.
struct l3_node_d {
  static constexpr int tick = 4;
  static constexpr int grid_rows = 4, grid_columns = 4, out_rows = 2, out_columns = 2;
  static constexpr int kernel_rows = 2, kernel_columns = 2, stride_rows = 2, stride_columns = 2;
  static constexpr int dilation_rows = 1, dilation_columns = 1, pad_rows = 0, pad_columns = 0;
  static constexpr int position_beats = 3, run_beats = 1, tap_rows = 1, tap_columns = 1;
  static constexpr int window_words = 1, window_bits = 8, window_fill = -128;
  static constexpr int n = 3, out_bits = 8, out_shift = 0;
  static constexpr int reciprocal_bits = 0, reciprocals = 0;
  typedef swm::identity activation;
};

typedef swm::pool_layer<l3_node_d> l3_node_d_traits;

/// order of e: 4 x 3 values transposed.
/// Formats: input Q2.6, weights -, output Q2.6.
struct l4_reorder {
  static constexpr int tick = 6;
  static constexpr int n = 3, positions = 4, flat = 1;
  static constexpr int bits = 8;
  static constexpr int vec = 1;
};

typedef swm::reorder_layer<l4_reorder> l4_reorder_traits;

/// node_y: block-circulant, 12 to 8, blocks of 4, identity.
/// Formats: input Q2.6, weights Q1.7, output Q0.8.
struct l5_node_y {
  static constexpr int tick = 7;
  static constexpr int m = 8, n = 12, k = 4;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 13, out_bits = 8;
  static constexpr int fft_shifts = 0, acc_shift = 3;
  static constexpr int out_shift = 2;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = 1, mac_columns = 1, mac_bins = 1, products = 3;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 2;
  typedef swm::identity activation;
};

typedef swm::circulant<l5_node_y> l5_node_y_traits;

}  // namespace net

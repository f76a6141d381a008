// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "convolutions" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/width.h"
#include "swm/conv.h"
#include "swm/conv_beside.h"
#include "swm/window.h"
#include "swm/dense.h"
#include "swm/circulant_conv.h"
#include "swm/circulant.h"
#include "swm/rfft_unrolled.h"
#include "swm/irfft_unrolled.h"
#include "swm/rfft_passes.h"
#include "swm/irfft_passes.h"
#include "swm/spectral_mac.h"
#include "swm/depthwise.h"
#include "swm/dense_beside.h"

namespace net {

/// 2 channels, 4 to 1 a beat, 20 positions a frame.
struct x_width {
  static constexpr int tick = 1;
  static constexpr int n = 2, bits = 8;
  static constexpr int in_vec = 4, out_vec = 1;
};

typedef swm::width_layer<x_width> x_width_traits;

/// node0: convolution, 2 to 6 channels, kernel 3 x 3, 4 x 5 to 4 x 3 positions, relu.
/// Formats: input Q4.4, weights Q2.6, output Q4.4.
struct l0_conv {
  static constexpr int tick = 2;
  static constexpr int grid_rows = 4, grid_columns = 5, out_rows = 4, out_columns = 3;
  static constexpr int kernel_rows = 3, kernel_columns = 3, stride_rows = 1, stride_columns = 2;
  static constexpr int dilation_rows = 1, dilation_columns = 1, pad_rows = 1, pad_columns = 1;
  static constexpr int position_beats = 2, run_beats = 1, tap_rows = 1, tap_columns = 1;
  static constexpr int window_words = 1, window_bits = 8, window_fill = 0;
  static constexpr int m = 6, n = 2;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 21, out_bits = 8;
  static constexpr int out_shift = 6;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::relu activation;
};

typedef swm::dense_layer<swm::conv_products<l0_conv> > l0_conv_traits;

/// node1: block-circulant convolution, blocks of 4, 6 to 4 channels, kernel 2 x 3, 4 x 3 to 4 x 3 positions, identity.
/// Formats: input Q4.4, weights Q2.6, output Q4.4.
struct l1_circulant_conv {
  static constexpr int tick = 4;
  static constexpr int grid_rows = 4, grid_columns = 3, out_rows = 4, out_columns = 3;
  static constexpr int kernel_rows = 2, kernel_columns = 3, stride_rows = 1, stride_columns = 1;
  static constexpr int dilation_rows = 2, dilation_columns = 1, pad_rows = 1, pad_columns = 1;
  static constexpr int position_beats = 2, run_beats = 2, tap_rows = 1, tap_columns = 1;
  static constexpr int window_words = 4, window_bits = 10, window_fill = 0;
  static constexpr int m = 4, n = 6, k = 4;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 13, out_bits = 8;
  static constexpr int fft_shifts = 0, acc_shift = 4;
  static constexpr int out_shift = 2;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = 1, mac_columns = 1, mac_bins = 1, products = 3;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 2;
  typedef swm::identity activation;
};

typedef swm::circulant<swm::conv_spectra<l1_circulant_conv> > l1_circulant_conv_traits;

/// node2: depthwise convolution, 4 channels, kernel 3 x 1, 4 x 3 to 2 x 3 positions, identity.
/// Formats: input Q4.4, weights Q2.6, output Q5.3.
struct l2_depthwise {
  static constexpr int tick = 8;
  static constexpr int grid_rows = 4, grid_columns = 3, out_rows = 2, out_columns = 3;
  static constexpr int kernel_rows = 3, kernel_columns = 1, stride_rows = 2, stride_columns = 1;
  static constexpr int dilation_rows = 1, dilation_columns = 1, pad_rows = 0, pad_columns = 0;
  static constexpr int position_beats = 4, run_beats = 1, tap_rows = 1, tap_columns = 1;
  static constexpr int window_words = 1, window_bits = 8, window_fill = 0;
  static constexpr int n = 4;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 18, out_bits = 8;
  static constexpr int out_shift = 7;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int fabric = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::depthwise_layer<l2_depthwise> l2_depthwise_traits;

/// node3: dense, 24 to 3, identity.
/// Formats: input Q5.3, weights Q0.8, output Q4.4.
struct l3_dense {
  static constexpr int tick = 10;
  static constexpr int m = 3, n = 24;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 21, out_bits = 8;
  static constexpr int out_shift = 7;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::dense_layer<l3_dense> l3_dense_traits;

/// 3 channels, 1 to 2 a beat.
struct l3_dense_y_width {
  static constexpr int tick = 11;
  static constexpr int n = 3, bits = 8;
  static constexpr int in_vec = 1, out_vec = 2;
};

typedef swm::width_layer<l3_dense_y_width> l3_dense_y_width_traits;

}  // namespace net

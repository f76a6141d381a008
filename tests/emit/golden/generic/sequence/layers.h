// SPDX-License-Identifier: Apache-2.0
/// \file layers.h
/// \brief The layers of "sequence" for pynq-z2: shapes, widths, binary points and parallelism.
///
/// Written by swm. A member's meaning stands in the header of its kernel; `tick` numbers the processes of the design.
#pragma once

#include "swm/recurrent.h"
#include "swm/recurrent_walk.h"
#include "swm/recurrent_forms.h"
#include "swm/recurrent_cell.h"
#include "swm/recurrent_start.h"
#include "swm/recurrent_steps.h"
#include "swm/recurrent_calls.h"
#include "swm/recurrent_append.h"
#include "swm/dense.h"
#include "swm/dense_beside.h"

namespace net {

/// sigmoid: table of 24 lines, each 0.5 wide, off by at most 2.1e-03 (0.27 of the output's last bit) before the last rounding.
struct l0_recurrent_gate_f {
  static constexpr int input_shift = 0, input_bits = 12, first = -1536, step_bits = 7, start_bits = 11, rise_bits = 8;
  static constexpr int base_shift = 9, out_shift = 10, entries = 24, rectified = 0;
  static swm::int_t<11> start(int i) {
    SWM_INLINE
    static const swm::int_t<11> rom[24] = {
2, 4, 7, 11, 18, 29, 48, 77, 121, 186, 274, 386, 513, 639, 750, 838,
903, 947, 976, 994, 1006, 1013, 1017, 1022};
    SWM_ROM(rom)
    return rom[i];
  }
  static swm::int_t<8> rise(int i) {
    SWM_INLINE
    static const swm::int_t<8> rom[24] = {
0, 3, 4, 7, 12, 19, 29, 44, 65, 88, 111, 125, 125, 111, 89, 65,
44, 29, 19, 12, 7, 4, 3, 0};
    SWM_ROM(rom)
    return rom[i];
  }
};

/// tanh: table of 26 lines, each 0.25 wide, off by at most 3.3e-03 (0.43 of the output's last bit) before the last rounding.
struct l0_recurrent_gate_g {
  static constexpr int input_shift = 0, input_bits = 11, first = -832, step_bits = 6, start_bits = 11, rise_bits = 9;
  static constexpr int base_shift = 8, out_shift = 9, entries = 26, rectified = 0;
  static swm::int_t<11> start(int i) {
    SWM_INLINE
    static const swm::int_t<11> rom[26] = {
-1021, -1019, -1016, -1011, -1002, -988, -965, -928, -870, -783, -653, -476, -252, 1, 253, 476,
653, 782, 870, 928, 965, 988, 1002, 1011, 1016, 1021};
    SWM_ROM(rom)
    return rom[i];
  }
  static swm::int_t<9> rise(int i) {
    SWM_INLINE
    static const swm::int_t<9> rom[26] = {
0, 3, 5, 9, 14, 23, 37, 58, 88, 129, 177, 222, 251, 251, 223, 178,
130, 89, 58, 37, 23, 14, 9, 5, 3, 0};
    SWM_ROM(rom)
    return rom[i];
  }
};

/// tanh: table of 26 lines, each 0.25 wide, off by at most 3.3e-03 (0.43 of the output's last bit) before the last rounding.
struct l0_recurrent_gate_h {
  static constexpr int input_shift = 0, input_bits = 13, first = -3328, step_bits = 8, start_bits = 11, rise_bits = 9;
  static constexpr int base_shift = 8, out_shift = 11, entries = 26, rectified = 0;
  static swm::int_t<11> start(int i) {
    SWM_INLINE
    static const swm::int_t<11> rom[26] = {
-1021, -1019, -1016, -1011, -1002, -988, -965, -928, -871, -782, -653, -475, -252, 1, 253, 476,
653, 782, 870, 928, 965, 988, 1002, 1011, 1016, 1021};
    SWM_ROM(rom)
    return rom[i];
  }
  static swm::int_t<9> rise(int i) {
    SWM_INLINE
    static const swm::int_t<9> rom[26] = {
0, 3, 5, 9, 14, 23, 37, 58, 89, 129, 177, 222, 251, 251, 222, 177,
130, 89, 58, 37, 23, 14, 9, 5, 3, 0};
    SWM_ROM(rom)
    return rom[i];
  }
};

/// node0: LSTM, 6 to 8, blocks of 4, 3 steps, the last one leaves.
/// Formats: input Q3.5, weights Q2.6, output Q1.7.
struct l0_recurrent {
  static constexpr int tick = 0;
  static constexpr int cell = 1, n = 6, hidden = 8, m = 8, k = 4;
  static constexpr int steps = 3, sequences = 1, last = 1, start = 0;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 13, state_bits = 12;
  static constexpr int fft_shifts = 0, join_shift = 3, acc_shift = 6, acc_shift_b = 6;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int mac_rows = 1, mac_columns = 1, products = 3, feedback = 48;
  static constexpr int rom_banks = 1, rom_lanes = 4;
  static constexpr int first_bias = 0, initial = 0, peephole = 1;
  static constexpr int clip = 0, clip_low = 0, clip_high = 0;
  static constexpr int peephole_shift = 10, inner_shift = 0, reset_shift = 0;
  static constexpr int kept_shift = 0, new_shift = 3, unit_shift = 0, state_shift = 7, out_shift = 7, project_shift = 0;
  static constexpr int f_shift = 1, g_shift = 1, h_shift = 3;
  typedef swm::curve<l0_recurrent_gate_f> gate_f;
  typedef swm::curve<l0_recurrent_gate_g> gate_g;
  typedef swm::curve<l0_recurrent_gate_h> gate_h;
};

typedef swm::recurrent<l0_recurrent> l0_recurrent_traits;

/// node1: dense, 8 to 4, identity.
/// Formats: input Q1.7, weights Q2.6, output Q1.7.
struct l1_dense {
  static constexpr int tick = 2;
  static constexpr int m = 4, n = 8;
  static constexpr int in_bits = 8, weight_bits = 8, bias_bits = 19, out_bits = 8;
  static constexpr int out_shift = 6;
  static constexpr int in_vec = 1, out_vec = 1;
  static constexpr int rows = 1, columns = 1;
  static constexpr int fabric_rows = 0, packed = 0;
  static constexpr int rom_banks = 1, rom_lanes = 1;
  typedef swm::identity activation;
};

typedef swm::dense_layer<l1_dense> l1_dense_traits;

}  // namespace net

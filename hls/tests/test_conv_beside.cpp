// SPDX-License-Identifier: Apache-2.0
// conv_beside.h against wide integers, bit by bit: beats as the line buffer of window.h writes them, words that nobody sees among them.
#include "swm/conv_beside.h"

#include "check.h"

namespace {

/// Out positions of In columns a token, N channels, M outputs; Rows x Taps taps, TapRows kernel rows a beat of Tokens tokens.
template <int N, int M, int In, int Out, int Rows, int TapRows, int Tokens, int Taps, int First, int Stride, int Dilation, int Words,
          int Bits, int OutVec, int Banks, int Fabric, int Packed, class Act>
struct config {
  static constexpr int tick = 23, n = N, m = M, in_bits = Bits, weight_bits = Bits, bias_bits = 2 * Bits + 6, out_bits = Bits;
  static constexpr int out_shift = Bits + 2, in_vec = Words, out_vec = OutVec;
  static constexpr int grid_rows = Rows, grid_columns = Tokens, kernel_rows = Rows, kernel_columns = Tokens;
  static constexpr int stride_rows = 1, stride_columns = 1, dilation_rows = 1, dilation_columns = 1;
  static constexpr int pad_rows = 0, pad_columns = 0, out_rows = 1, out_columns = 1;
  static constexpr int position_beats = 1, run_beats = 1, tap_rows = TapRows, tap_columns = Tokens;
  static constexpr int window_words = Words, window_bits = Bits, window_fill = 0;
  static constexpr int beside_in = In, beside_out = Out, first_column = First;
  static constexpr int column_taps = Taps, column_stride = Stride, column_dilation = Dilation;
  static constexpr int rom_banks = Banks, rom_lanes = M * TapRows * Taps * N / Banks, fabric_rows = Fabric, packed = Packed;
  typedef Act activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::dense_layer<swm::conv_lane<Cfg> > L;
  constexpr int groups = Cfg::kernel_rows / Cfg::tap_rows, beat = Cfg::tap_rows * Cfg::kernel_columns * Cfg::window_words;
  constexpr int lanes = Cfg::rom_banks * Cfg::rom_lanes;
  static typename L::weight_t weights[Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  bool moved = false;
  for (int trial = 0; trial < 8; ++trial) {
    const int tokens = trial % 4;
    const check::words w = check::values(groups * lanes, Cfg::weight_bits), b = check::values(L::bias_words, Cfg::bias_bits);
    const check::words x = check::values(tokens * groups * beat, Cfg::in_bits);
    for (int at = 0; at < groups * lanes; ++at) {
      const int lane = at % lanes;
      weights[lane / Cfg::rom_lanes][at / lanes][lane % Cfg::rom_lanes] = typename L::weight_t(w[at]);
    }
    check::fill(bias, b);
    check::channel<typename L::in_t, beat> in;
    check::channel<typename L::out_t, Cfg::out_vec> values(tokens * Cfg::out_vec);
    in.put(x);
    swm::conv_beside<Cfg>(tokens, weights, bias, in.port, values.port);
    const check::words out = values.take(tokens * Cfg::out_vec);
    const long long ticks = check::ticked(Cfg::tick + 1);
    check::that(ticks == tokens * groups, "iterations", ticks, tokens * groups);
    for (int at = 0; at < tokens * Cfg::out_vec; ++at) {
      const int token = at / Cfg::out_vec, p = at % Cfg::out_vec / Cfg::m, r = at % Cfg::out_vec % Cfg::m;
      check::wide v = p < Cfg::beside_out ? check::wide(b[r]) : 0;
      for (int row = 0; p < Cfg::beside_out && row < Cfg::kernel_rows; ++row) {
        const int group = row / Cfg::tap_rows, side = row % Cfg::tap_rows;
        for (int tap = 0; tap < Cfg::column_taps; ++tap) {
          const int column = Cfg::first_column + p * Cfg::column_stride + tap * Cfg::column_dilation;
          for (int c = 0; c < Cfg::n; ++c) {
            const int place = (side * Cfg::kernel_columns + column / Cfg::beside_in) * Cfg::window_words;
            const long long seen = x[(token * groups + group) * beat + place + column % Cfg::beside_in * Cfg::n + c];
            v += check::wide(w[group * lanes + ((r * Cfg::tap_rows + side) * Cfg::column_taps + tap) * Cfg::n + c]) * seen;
          }
        }
      }
      if (rectified && v < 0) v = 0;
      const check::wide wanted = check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits);
      check::that(out[at] == wanted, "value", out[at], static_cast<long long>(wanted));
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

}  // namespace

int main() {
  run<config<1, 6, 4, 4, 5, 5, 3, 5, 2, 1, 1, 4, 8, 32, 2, 0, 1, swm::relu> >(true);       // LeNet's first layer
  run<config<3, 5, 2, 2, 3, 1, 3, 3, 1, 1, 1, 8, 12, 16, 1, 2, 0, swm::identity> >(false);
  run<config<2, 3, 4, 2, 2, 2, 2, 3, 3, 2, 1, 8, 16, 8, 3, 3, 0, swm::relu> >(true);       // a stride of 2
  run<config<2, 2, 3, 3, 3, 3, 3, 2, 2, 1, 3, 8, 18, 8, 1, 0, 0, swm::identity> >(false);  // dilated, words that are not used
  run<config<4, 4, 2, 1, 1, 1, 1, 2, 0, 2, 1, 8, 4, 4, 1, 2, 1, swm::identity> >(false);   // one output of two inputs
  return check::result();
}

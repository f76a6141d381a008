// SPDX-License-Identifier: Apache-2.0
// dense.h against loops over wide integers, bit by bit.
#include "swm/dense.h"

#include "check.h"

namespace {

template <int M, int N, int Bits, int WeightBits, int OutBits, int Shift, int InVec, int OutVec, int Rows, int Columns, class Act>
struct config {
  static constexpr int id = 5, m = M, n = N, in_bits = Bits, weight_bits = WeightBits, out_bits = OutBits;
  static constexpr int bias_bits = Bits + WeightBits, out_shift = Shift, act_shift = 0, out_frac = 0;
  static constexpr int in_vec = InVec, out_vec = OutVec, rows = Rows, columns = Columns;
  typedef Act activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::dense_layer<Cfg> L;
  static typename L::weight_t rom[L::rom_depth][L::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  bool moved = false;
  for (int trial = 0; trial < 5; ++trial) {
    const check::words w = check::values(Cfg::m * Cfg::n, Cfg::weight_bits), b = check::values(Cfg::m, Cfg::bias_bits);
    const check::words x = trial == 0 ? check::words(Cfg::n, -(1LL << (Cfg::in_bits - 1))) : check::values(Cfg::n, Cfg::in_bits);
    for (int address = 0; address < L::rom_depth; ++address) {
      for (int lane = 0; lane < L::rom_lanes; ++lane) {
        const int row = address / L::column_groups * Cfg::rows + lane / Cfg::columns;
        const int column = address % L::column_groups * Cfg::columns + lane % Cfg::columns;
        const bool inside = row < Cfg::m && column < Cfg::n;
        rom[address][lane] = typename L::weight_t(inside ? w[row * Cfg::n + column] : 0);
      }
    }
    check::fill(bias, b);
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::in_t, Cfg::in_vec> in;
      check::channel<typename L::out_t, Cfg::out_vec> values(L::bias_words);
      in.put(x);
      swm::dense<Cfg>(rom, bias, in.port, values.port);
      out[again] = values.take(L::bias_words);
      const long long ticks = check::ticked(4 * Cfg::id);
      check::that(ticks == L::iterations, "iterations", ticks, L::iterations);
    }
    check::that(out[0] == out[1], "same answer twice");
    for (int r = 0; r < L::bias_words; ++r) {
      check::wide sum = r < Cfg::m ? b[r] : 0;
      for (int c = 0; c < Cfg::n && r < Cfg::m; ++c) sum += check::wide(w[r * Cfg::n + c]) * x[c];
      if (rectified && sum < 0) sum = 0;
      const check::wide wanted = check::clip(check::round_to(sum, Cfg::out_shift), Cfg::out_bits);
      check::that(out[0][r] == wanted, "value", out[0][r], static_cast<long long>(wanted));
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

}  // namespace

int main() {
  run<config<7, 13, 8, 8, 8, 9, 1, 1, 1, 1, swm::identity> >(false);
  run<config<7, 13, 12, 12, 12, 13, 1, 1, 3, 4, swm::relu> >(true);
  run<config<7, 13, 12, 4, 18, 0, 4, 2, 4, 1, swm::identity> >(false);
  run<config<30, 50, 16, 16, 16, 17, 4, 4, 8, 4, swm::relu> >(true);
  run<config<30, 50, 18, 18, 18, 19, 2, 4, 12, 8, swm::identity> >(false);
  run<config<33, 70, 4, 4, 4, 2, 16, 1, 5, 2, swm::identity> >(false);
  run<config<5, 3, 18, 18, 18, -2, 1, 8, 8, 16, swm::identity> >(false);
  run<config<1, 1, 8, 8, 18, 0, 1, 1, 1, 1, swm::identity> >(false);
  return check::result();
}

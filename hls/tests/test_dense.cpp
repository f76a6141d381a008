// SPDX-License-Identifier: Apache-2.0
// dense.h against loops over wide integers, bit by bit.
#include "swm/dense.h"

#include "check.h"
#include "probe.h"

namespace {

template <int M, int N, int Bits, int WeightBits, int OutBits, int Shift, int InVec, int OutVec, int Rows, int Columns,
          class Activation, int Banks = 1, int FabricRows = 0, int Packed = 0>
struct config {
  static constexpr int tick = 5, m = M, n = N, in_bits = Bits, weight_bits = WeightBits, out_bits = OutBits;
  static constexpr int bias_bits = Bits + WeightBits, out_shift = Shift;
  static constexpr int in_vec = InVec, out_vec = OutVec, rows = Rows, columns = Columns;
  static constexpr int rom_banks = Banks, rom_lanes = Rows * Columns / Banks, fabric_rows = FabricRows, packed = Packed;
  typedef Activation activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::dense_layer<Cfg> L;
  static typename L::weight_t rom[L::rom_banks][L::rom_depth][L::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  const int given = L::in_beats * Cfg::in_vec, tokens_of[] = {1, 2, 5};
  bool moved = false;
  for (int trial = 0; trial < 6; ++trial) {
    const int tokens = tokens_of[trial % 3];
    const long long low = -(1LL << (Cfg::weight_bits - 1));
    const check::words b = check::values(Cfg::m, Cfg::bias_bits);
    const check::words w = trial == 1 ? check::words(Cfg::m * Cfg::n, low) : check::values(Cfg::m * Cfg::n, Cfg::weight_bits);
    const check::words x = trial < 2 ? check::words(tokens * given, -(1LL << (Cfg::in_bits - 1)))
                                     : check::values(tokens * given, Cfg::in_bits);
    for (int address = 0; address < L::rom_depth; ++address) {
      for (int lane = 0; lane < Cfg::rows * Cfg::columns; ++lane) {
        const int row = address / L::column_groups * Cfg::rows + lane / Cfg::columns;
        const int column = address % L::column_groups * Cfg::columns + lane % Cfg::columns;
        const bool inside = row < Cfg::m && column < Cfg::n;
        rom[lane / L::rom_lanes][address][lane % L::rom_lanes] = typename L::weight_t(inside ? w[row * Cfg::n + column] : 0);
      }
    }
    check::fill(bias, b);
    check::channel<typename L::in_t, Cfg::in_vec> in;
    check::channel<typename L::out_t, Cfg::out_vec> values(tokens * L::bias_words);
    in.put(x);
    swm::dense<Cfg>(tokens, rom, bias, in.port, values.port);
    const check::words out = values.take(tokens * L::bias_words);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    for (int t = 0; t < tokens; ++t) {
      for (int r = 0; r < L::bias_words; ++r) {
        check::wide sum = r < Cfg::m ? b[r] : 0;
        for (int c = 0; c < Cfg::n && r < Cfg::m; ++c) sum += check::wide(w[r * Cfg::n + c]) * x[t * given + c];
        if (rectified && sum < 0) sum = 0;
        const check::wide wanted = check::clip(check::round_to(sum, Cfg::out_shift), Cfg::out_bits);
        const long long got = out[t * L::bias_words + r];
        check::that(got == wanted, "value", got, static_cast<long long>(wanted));
        moved = moved || wanted != 0;
      }
    }
  }
  check::that(moved, "outputs other than zero");

  swm::probe<typename L::in_t> in(Cfg::tick);
  swm::probe<typename L::out_t> out(Cfg::tick);
  swm::dense<Cfg>(3, rom, bias, in, out);
  const int rows = Cfg::m - (L::row_groups - 1) * Cfg::rows;
  check::walk_times(in.iterations, out.iterations, 3, L::in_beats, L::row_groups, 1, L::column_groups,
                    swm::ceil_div(Cfg::rows, Cfg::out_vec), swm::ceil_div(rows, Cfg::out_vec), check::ticked(Cfg::tick));
}

}  // namespace

int main() {
  using swm::identity;
  using swm::relu;
  //         m  n bits w out shift V V' PE SIMD                banks fabric packed
  run<config<7, 13, 8, 8, 8, 9, 1, 1, 1, 1, identity> >(false);
  run<config<7, 13, 12, 12, 12, 13, 1, 1, 3, 4, relu, 2> >(true);
  run<config<7, 13, 12, 4, 18, 0, 4, 2, 4, 4, identity, 1, 3> >(false);
  run<config<30, 50, 16, 16, 16, 17, 4, 4, 8, 4, relu, 4> >(true);
  run<config<30, 50, 18, 18, 18, 19, 2, 4, 12, 8, identity, 3, 12> >(false);
  run<config<33, 70, 4, 4, 4, 2, 16, 1, 4, 16, identity, 1, 0, 1> >(false);
  run<config<33, 128, 8, 8, 8, 9, 4, 2, 6, 8, relu, 1, 2, 1> >(true);
  run<config<10, 96, 9, 9, 12, 9, 8, 4, 10, 8, identity, 1, 4, 1> >(false);  // ports of 27 bits full
  run<config<8, 64, 12, 12, 12, 13, 8, 1, 8, 8, identity> >(false);          // as many loads as products
  run<config<4, 64, 12, 12, 12, 13, 1, 1, 4, 16, identity> >(false);         // more
  run<config<16, 64, 12, 12, 12, 13, 16, 16, 16, 16, identity> >(false);
  run<config<5, 3, 18, 18, 18, -2, 1, 8, 5, 1, identity> >(false);
  run<config<1, 1, 8, 8, 18, 0, 1, 1, 1, 1, identity> >(false);
  return check::result();
}

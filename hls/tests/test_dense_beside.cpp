// SPDX-License-Identifier: Apache-2.0
// dense_beside.h against loops over wide integers, bit by bit.
#include "swm/dense_beside.h"

#include "check.h"

namespace {

template <int M, int N, int Beside, int Bits, int InVec, int OutVec, int Columns, int Banks, int Fabric, int Packed, class Act>
struct config {
  static constexpr int tick = 9, m = M, n = N, beside = Beside, in_bits = Bits, weight_bits = Bits, bias_bits = 2 * Bits + 4;
  static constexpr int out_bits = Bits, out_shift = Bits + 2, in_vec = InVec, out_vec = OutVec, rows = M, columns = Columns;
  static constexpr int rom_banks = Banks, rom_lanes = M * Columns / Banks, fabric_rows = Fabric, packed = Packed;
  typedef Act activation;
};

template <class Cfg>
void run(bool rectified) {
  typedef swm::dense_beside_layer<Cfg> L;
  constexpr int given = Cfg::beside * Cfg::n, made = Cfg::beside * Cfg::m;
  static typename L::weight_t rom[L::rom_banks][L::rom_depth][L::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  bool moved = false;
  for (int tokens = 0; tokens < 4; ++tokens) {
    const check::words b = check::values(Cfg::m, Cfg::bias_bits), w = check::values(Cfg::m * Cfg::n, Cfg::weight_bits);
    const check::words x = check::values(tokens * given, Cfg::in_bits);
    for (int at = 0; at < Cfg::m * Cfg::n; ++at) {
      const int row = at / Cfg::n, column = at % Cfg::n, lane = row * Cfg::columns + column % Cfg::columns;
      rom[lane / L::rom_lanes][column / Cfg::columns][lane % L::rom_lanes] = typename L::weight_t(w[at]);
    }
    for (int at = 0; at < made; ++at) bias[at] = typename L::bias_t(b[at % Cfg::m]);
    check::channel<typename L::in_t, Cfg::in_vec> in;
    check::channel<typename L::out_t, Cfg::out_vec> values(tokens * made);
    in.put(x);
    swm::dense_beside<Cfg>(tokens, rom, bias, in.port, values.port);
    const check::words out = values.take(tokens * made);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
    for (int at = 0; at < tokens * made; ++at) {
      const int position = at / Cfg::m, r = at % Cfg::m;
      check::wide sum = b[r];
      for (int c = 0; c < Cfg::n; ++c) sum += check::wide(w[r * Cfg::n + c]) * x[position * Cfg::n + c];
      if (rectified && sum < 0) sum = 0;
      const check::wide wanted = check::clip(check::round_to(sum, Cfg::out_shift), Cfg::out_bits);
      check::that(out[at] == wanted, "value", out[at], static_cast<long long>(wanted));
      moved = moved || wanted != 0;
    }
  }
  check::that(moved, "outputs other than zero");
}

}  // namespace

int main() {
  run<config<4, 8, 3, 8, 4, 4, 1, 1, 0, 0, swm::identity> >(false);
  run<config<6, 16, 5, 8, 16, 2, 1, 2, 0, 1, swm::relu> >(true);
  run<config<8, 16, 2, 12, 8, 8, 4, 4, 3, 0, swm::identity> >(false);
  run<config<3, 4, 4, 18, 4, 4, 1, 1, 3, 0, swm::relu> >(true);  // 12 sums in three beats, drained in four iterations
  run<config<5, 6, 1, 16, 2, 1, 1, 1, 0, 0, swm::identity> >(false);
  run<config<4, 8, 4, 8, 2, 16, 2, 1, 0, 0, swm::identity> >(false);  // loads take longer than products
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
// offset.h against plain arithmetic: with and without positions of the table alone, beats that are not full.
#include "swm/offset.h"

#include "check.h"

namespace {

template <int N, int Before, int Positions, int OutPositions, int Bits, int WeightBits, int OutBits, int InShift, int WeightShift,
          int Shift, int Vec, int Banks>
struct config {
  static constexpr int tick = 2, n = N, before = Before, positions = Positions, out_positions = OutPositions;
  static constexpr int in_bits = Bits, weight_bits = WeightBits, out_bits = OutBits;
  static constexpr int in_shift = InShift, weight_shift = WeightShift, out_shift = Shift;
  static constexpr int vec = Vec, rom_banks = Banks, rom_lanes = Vec / Banks;
  typedef swm::relu activation;
};

template <class Cfg>
void run() {
  typedef swm::offset_layer<Cfg> L;
  static typename L::weight_t rom[Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  const int room = L::token_beats * Cfg::vec;
  for (int frames = 1; frames < 4; ++frames) {
    const check::words table = check::values(Cfg::out_positions * room, Cfg::weight_bits);
    const check::words x = check::values(frames * Cfg::positions * room, Cfg::in_bits);
    for (int beat = 0; beat < L::rom_depth; ++beat) {
      for (int i = 0; i < Cfg::vec; ++i) {
        rom[i / Cfg::rom_lanes][beat][i % Cfg::rom_lanes] = typename L::weight_t(table[beat * Cfg::vec + i]);
      }
    }
    check::channel<typename L::in_t, Cfg::vec> in;
    check::channel<typename L::out_t, Cfg::vec> out(frames * Cfg::out_positions * room);
    in.put(x);
    swm::offset<Cfg>(frames, rom, in.port, out.port);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
    const check::words got = out.take(frames * Cfg::out_positions * room);
    for (int f = 0; f < frames; ++f) {
      for (int p = 0; p < Cfg::out_positions; ++p) {
        const int from = p - Cfg::before;
        for (int c = 0; c < room; ++c) {
          const bool inside = from >= 0 && from < Cfg::positions;
          check::wide v = check::wide(table[p * room + c]) * (1 << Cfg::weight_shift);
          if (inside) v += check::wide(x[(f * Cfg::positions + from) * room + c]) * (1 << Cfg::in_shift);
          v = v < 0 ? 0 : v;
          const long long wanted = c < Cfg::n ? static_cast<long long>(check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits)) : 0;
          const long long value = got[(f * Cfg::out_positions + p) * room + c];
          check::that(value == wanted, "value", value, wanted);
        }
      }
    }
  }
}

}  // namespace

int main() {
  run<config<1, 0, 1, 1, 8, 8, 8, 0, 0, 0, 1, 1> >();
  run<config<6, 1, 4, 5, 8, 8, 8, 2, 0, 3, 4, 2> >();
  run<config<7, 2, 3, 6, 12, 16, 10, 0, 3, 2, 2, 1> >();
  run<config<16, 0, 5, 7, 18, 18, 18, 0, 1, 1, 8, 4> >();
  return check::result();
}

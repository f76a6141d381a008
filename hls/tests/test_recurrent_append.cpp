// SPDX-License-Identifier: Apache-2.0
// recurrent_append.h: outputs of every step, or of the last one, then the cells of each sequence, at one binary point; shifts to
// both sides, words that saturate, tokens that beats do and do not divide.
#include "swm/recurrent_append.h"

#include "check.h"

namespace {

template <int Hidden, int Steps, int Sequences, int Last, int Vec, int OutputShift, int CellShift>
struct config {
  static constexpr int tick = 3, cell = swm::cell_lstm, n = 4, hidden = Hidden, m = Hidden, k = 1, steps = Steps;
  static constexpr int sequences = Sequences, last = Last, in_bits = 8, weight_bits = 8, bias_bits = 20, state_bits = 12;
  static constexpr int fft_shifts = 0, acc_shift = 0, acc_shift_b = 0, join_shift = 2, in_vec = Vec, out_vec = Vec;
  static constexpr int mac_rows = 4 * Vec, mac_columns = Vec, products = 3, rom_banks = 1, rom_lanes = mac_rows * mac_columns;
  static constexpr int feedback = 9, start = 0, first_bias = 1, initial = 0, peephole = 0, clip = 0, out_bits = 11, output_shift = OutputShift, cell_shift = CellShift;
};

template <class Cfg>
void run(int frames) {
  typedef swm::recurrent<Cfg> L;
  constexpr int room = L::out_beats * Cfg::out_vec, S = Cfg::sequences, given = S * (Cfg::last ? 1 : Cfg::steps);
  const check::words values = check::values(frames * given * room, 8), cells = check::values(frames * S * room, 12);
  check::channel<typename L::in_t, Cfg::out_vec> of_values;
  check::channel<typename L::state_t, Cfg::out_vec> of_cells;
  check::channel<swm::int_t<Cfg::out_bits>, Cfg::out_vec> out(frames * (given + S) * room);
  of_values.put(values);
  of_cells.put(cells);
  swm::recurrent_append<Cfg>(frames, of_values.port, of_cells.port, out.port);
  const long long ticks = check::ticked(Cfg::tick + 1);
  check::that(ticks == frames * (given + S) * L::out_beats, "iterations", ticks, frames * (given + S) * L::out_beats);
  const check::words got = out.take(frames * (given + S) * room);
  for (int frame = 0; frame < frames; ++frame) {
    for (int token = 0; token < given + S; ++token) {
      for (int c = 0; c < room; ++c) {
        const bool cell = token >= given;
        const long long x = cell ? cells[(frame * S + token - given) * room + c] : values[(frame * given + token) * room + c];
        const long long moved = check::clip(check::round_to(x, cell ? Cfg::cell_shift : Cfg::output_shift), Cfg::out_bits);
        const long long wanted = cell && c >= Cfg::m ? 0 : moved;
        const long long word = got[(frame * (given + S) + token) * room + c];
        check::that(word == wanted, "value", word, wanted);
      }
    }
  }
}

}  // namespace

int main() {
  // cells, steps, sequences, last, beats of, shifts
  run<config<6, 4, 1, 0, 1, -3, 2> >(3);
  run<config<7, 3, 2, 0, 2, 0, -1> >(2);
  run<config<5, 4, 3, 1, 4, -5, 4> >(2);
  return check::result();
}

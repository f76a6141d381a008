// SPDX-License-Identifier: Apache-2.0
// pad.h against plain index arithmetic: margins that are added, cut off, and both.
#include "swm/pad.h"

#include "check.h"

namespace {

template <int N, int Vec, int Rows, int Columns, int Top, int Left, int Bottom, int Right, int Fill>
struct config {
  static constexpr int tick = 3, n = N, vec = Vec, bits = 10, grid_rows = Rows, grid_columns = Columns;
  static constexpr int before_rows = Top, before_columns = Left, behind_rows = Bottom, behind_columns = Right, fill = Fill;
};

template <class Cfg>
void bench(int frames) {
  typedef swm::pad_layer<Cfg> L;
  constexpr int V = Cfg::vec, width = L::beats * V;
  check::words given = check::values(frames * Cfg::grid_rows * Cfg::grid_columns * width, Cfg::bits);
  for (size_t i = 0; i < given.size(); ++i) given[i] = int(i) % width < Cfg::n ? given[i] : 0;
  const int leaving = frames * L::out_rows * L::out_columns * width;
  check::channel<typename L::value_t, V> in, out(leaving);
  in.put(given);
  swm::pad<Cfg>(frames, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  const check::words got = out.take(leaving);
  check::that(got.size() == size_t(leaving), "length", got.size(), leaving);
  for (int at = 0; at < leaving; ++at) {
    const int c = at % width, x = at / width % L::out_columns - Cfg::before_columns;
    const int y = at / width / L::out_columns % L::out_rows - Cfg::before_rows, f = at / width / L::out_columns / L::out_rows;
    const bool there = x >= 0 && x < Cfg::grid_columns && y >= 0 && y < Cfg::grid_rows;
    const long long around = c < Cfg::n ? Cfg::fill : 0;
    const long long wanted = there ? given[((f * Cfg::grid_rows + y) * Cfg::grid_columns + x) * width + c] : around;
    check::that(got[at] == wanted, "value", got[at], wanted);
  }
}

template <class Cfg>
void benches() {
  for (int frames = 0; frames < 4; ++frames) bench<Cfg>(frames);
}

}  // namespace

int main() {
  benches<config<1, 1, 1, 1, 0, 0, 0, 0, 0> >();
  benches<config<5, 2, 3, 4, 1, 2, 0, 1, -7> >();
  benches<config<4, 4, 5, 6, -1, -2, -2, -1, 0> >();
  benches<config<3, 4, 4, 5, 2, -1, -3, 3, 511> >();
  benches<config<6, 2, 7, 1, 3, 0, 2, 0, -512> >();
  return check::result();
}

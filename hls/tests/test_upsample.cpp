// SPDX-License-Identifier: Apache-2.0
// upsample.h against plain index arithmetic: one beat and several a position, factors of one along either axis.
#include "swm/upsample.h"

#include "check.h"

namespace {

template <int N, int Vec, int Rows, int Columns, int Tall, int Wide>
struct config {
  static constexpr int tick = 2, n = N, vec = Vec, bits = 11, rows = Rows, columns = Columns, tall = Tall, wide = Wide;
};

template <class Cfg>
void bench(int frames) {
  typedef swm::upsample_layer<Cfg> L;
  constexpr int V = Cfg::vec, width = L::beats * V, columns = Cfg::columns * Cfg::wide, rows = Cfg::rows * Cfg::tall;
  const check::words given = check::values(frames * Cfg::rows * Cfg::columns * width, Cfg::bits);
  const int leaving = frames * rows * columns * width;
  check::channel<typename L::value_t, V> in, out(leaving);
  in.put(given);
  swm::upsample<Cfg>(frames, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  const check::words got = out.take(leaving);
  check::that(got.size() == size_t(leaving), "length", got.size(), leaving);
  for (int at = 0; at < leaving; ++at) {
    const int c = at % width, x = at / width % columns / Cfg::wide, y = at / width / columns % rows / Cfg::tall;
    const int f = at / width / columns / rows;
    const long long wanted = given[((f * Cfg::rows + y) * Cfg::columns + x) * width + c];
    check::that(got[at] == wanted, "value", got[at], wanted);
  }
}

template <class Cfg>
void benches() {
  for (int frames = 0; frames < 4; ++frames) bench<Cfg>(frames);
}

}  // namespace

int main() {
  benches<config<1, 1, 1, 1, 1, 1> >();
  benches<config<5, 2, 3, 4, 2, 3> >();
  benches<config<4, 4, 2, 5, 1, 2> >();
  benches<config<6, 4, 3, 2, 4, 1> >();
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
// depth_to_space.h against plain index arithmetic: pixels of one beat and of several, sides of 1 to 3, one row, one column,
// patches that are no squares.
#include "swm/depth_to_space.h"

#include "check.h"

namespace {

template <int N, int Vec, int Rows, int Columns, int Side, int Wide = Side>
struct config {
  static constexpr int columns_of_pixels = Wide;
  static constexpr int tick = 2, n = N, vec = Vec, bits = 11, rows = Rows, columns = Columns, side = Side;
};

template <class Cfg>
void bench(int frames) {
  typedef swm::depth_to_space_layer<Cfg> L;
  constexpr int V = Cfg::vec, side = Cfg::side, wide = Cfg::columns_of_pixels, m = Cfg::n / side / wide;
  const int words = frames * Cfg::rows * Cfg::columns * Cfg::n;
  const check::words given = check::values(words, Cfg::bits);
  check::channel<typename L::value_t, V> in, out(words);
  in.put(given);
  swm::depth_to_space<Cfg>(frames, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  const check::words got = out.take(words);
  check::that(got.size() == size_t(words), "length", got.size(), words);
  for (int at = 0; at < words; ++at) {
    const int c = at % m, x = at / m % (Cfg::columns * wide), y = at / m / (Cfg::columns * wide) % (Cfg::rows * side);
    const int f = at / m / (Cfg::columns * wide) / (Cfg::rows * side);
    const int position = (f * Cfg::rows + y / side) * Cfg::columns + x / wide;
    const long long wanted = given[position * Cfg::n + (y % side * wide + x % wide) * m + c];
    check::that(got[at] == wanted, "value", got[at], wanted);
  }
}

template <class Cfg>
void benches() {
  for (int frames = 0; frames < 4; ++frames) bench<Cfg>(frames);
}

}  // namespace

int main() {
  benches<config<1, 1, 1, 1, 1> >();
  benches<config<4, 1, 1, 5, 2> >();
  benches<config<16, 4, 4, 1, 2> >();
  benches<config<16, 2, 3, 4, 2> >();
  benches<config<36, 4, 2, 3, 3> >();
  benches<config<6, 2, 3, 2, 1> >();
  benches<config<12, 2, 3, 4, 3, 1> >();
  benches<config<12, 1, 2, 3, 2, 3> >();
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
// fork.h: every output gets every beat, whatever the number of outputs.
#include "swm/fork.h"

#include "check.h"

namespace {

template <int N, int Bits, int Vec>
struct config {
  static constexpr int tick = 17, n = N, bits = Bits, vec = Vec;
};

template <class Cfg>
void run() {
  typedef swm::fork_layer<Cfg> L;
  for (int tokens = 0; tokens < 4; ++tokens) {
    const int room = tokens * L::beats * Cfg::vec;
    const check::words x = check::values(room, Cfg::bits);
    typedef check::channel<typename L::in_t, Cfg::vec> port;
    port in, a(room), b(room), c(room), d(room);
    in.put(x);
    swm::fork<Cfg>(tokens, in.port, a.port, b.port);
    check::that(a.take(room) == x && b.take(room) == x, "two outputs", tokens);
    in.put(x);
    swm::fork<Cfg>(tokens, in.port, c.port);
    check::that(c.take(room) == x, "one output", tokens);
    in.put(x);
    port e(room), f(room), g(room);
    swm::fork<Cfg>(tokens, in.port, d.port, e.port, f.port, g.port);
    check::that(d.take(room) == x && e.take(room) == x && f.take(room) == x && g.take(room) == x, "four outputs", tokens);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == 3 * L::iterations(tokens), "iterations", ticks, 3 * L::iterations(tokens));
  }
}

}  // namespace

int main() {
  run<config<5, 8, 1> >();
  run<config<13, 12, 4> >();
  run<config<32, 18, 16> >();
  return check::result();
}

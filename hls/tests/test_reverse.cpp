// SPDX-License-Identifier: Apache-2.0
// reverse.h against plain index arithmetic: beats that do and do not divide the channels, sequences that take turns.
#include "swm/reverse.h"

#include "check.h"

namespace {

template <int N, int Steps, int Group, int Bits, int Vec>
struct config {
  static constexpr int tick = 5, n = N, steps = Steps, group = Group, bits = Bits, vec = Vec;
};

template <class Cfg>
void run() {
  typedef swm::reverse_layer<Cfg> L;
  const int step = L::step_beats * Cfg::vec, frame = Cfg::steps * step;
  for (int frames = 1; frames < 5; ++frames) {
    const check::words x = check::values(frames * frame, Cfg::bits);
    check::channel<typename L::value_t, Cfg::vec> in, values(frames * frame);
    in.put(x);
    swm::reverse<Cfg>(frames, in.port, values.port);
    const check::words out = values.take(frames * frame);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
    for (int f = 0; f < frames; ++f) {
      for (int t = 0; t < Cfg::steps; ++t) {
        for (int i = 0; i < step; ++i) {
          const long long wanted = x[f * frame + (Cfg::steps - 1 - t) * step + i];
          check::that(out[f * frame + t * step + i] == wanted, "value", out[f * frame + t * step + i], wanted);
        }
      }
    }
  }
}

}  // namespace

int main() {
  run<config<7, 3, 1, 8, 1> >();
  run<config<5, 4, 2, 12, 2> >();
  run<config<16, 1, 3, 18, 8> >();
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
// rfft_passes.h bit by bit against docs/arithmetic.md, and against a double-precision DFT within the error of its roundings.
#include "swm/rfft_passes.h"

#include "passes_config.h"

namespace {

/// Stages `Stage` to the last one; every pass is checked for its iterations.
template <class Cfg, int Stage, bool More = (Stage <= swm::circulant<Cfg>::stages)>
struct passes {
  typedef swm::circulant<Cfg> L;
  enum { beat = L::fft_lanes * 4 };
  static check::words run(int tokens, const check::words& x) {
    check::channel<typename L::spectrum_t, beat> in, out(static_cast<int>(x.size()));
    in.put(x);
    swm::rfft_pass<Cfg, Stage>(tokens, in.port, out.port);
    const long long ticks = check::ticked(Cfg::tick + Stage - 2), wanted = L::units + 1LL * tokens * L::fft_groups * L::units;
    check::that(ticks == wanted && ticks == L::rfft_pass_iterations(tokens), "iterations of a pass", ticks, wanted);
    return passes<Cfg, Stage + 1>::run(tokens, out.take(static_cast<int>(x.size())));
  }
};
template <class Cfg, int Stage>
struct passes<Cfg, Stage, false> {
  static check::words run(int, const check::words& x) { return x; }
};

template <class Cfg>
double bound_of() {
  typedef swm::circulant<Cfg> L;
  double bound = 1e-6;  // doubled by a stage that grows, and 0.71 a rounding; twiddles are off by 2^-17 in each part
  for (int n = 1; n <= L::stages; ++n) {
    const bool halves = n > L::stages - Cfg::fft_shifts;
    if (n > 2) bound = 2 * bound + 0.71 + ldexp(1.42, L::spectrum_bits - 1 - 17);
    if (n <= 2 && !halves) bound = 2 * bound;
    if (halves) bound = n > 2 ? bound / 2 + 0.71 : bound + 0.71;
  }
  return bound;
}

template <class Cfg>
void compare(const check::words& x, int at, int j, const check::words& out, int first) {
  typedef swm::circulant<Cfg> L;
  const int k = Cfg::k, lanes = L::fft_lanes;
  static const double bound = bound_of<Cfg>();
  check::words block(k);
  for (int t = 0; t < k && j * k + t < Cfg::n; ++t) block[t] = x[at + j * k + t];
  const std::vector<check::word> wanted = check::forward(block, Cfg::fft_shifts);
  for (int w = 0; w < k / 2; ++w) {
    const int unit = w < k / 4 ? w : w == k / 4 ? 0 : k / 2 - w;
    const int place = first + (((j / lanes * (k / 4) + unit) * lanes + j % lanes) * 2 + (w >= k / 4)) * 2;
    check::that(out[place] == wanted[w].re, "real part", w, out[place]);
    check::that(out[place + 1] == wanted[w].im, "imaginary part", w, out[place + 1]);
    double re = 0, im = 0;
    for (int t = 0; t < k; ++t) {
      re += ldexp(block[t] * cos(2 * acos(-1.0) * ((w * t) % k) / k), -Cfg::fft_shifts);
      im -= ldexp(block[t] * sin(2 * acos(-1.0) * ((w * t) % k) / k), -Cfg::fft_shifts);
    }
    if (w == 0) {
      im = 0;
      for (int t = 0; t < k; ++t) im += ldexp(t % 2 ? -block[t] : block[t], -Cfg::fft_shifts);
    }
    check::that(fabs(out[place] - re) <= bound && fabs(out[place + 1] - im) <= bound, "far from the DFT", w, out[place]);
  }
}

/// When beats pass, as the header says.
template <class Cfg>
void times(int tokens) {
  typedef swm::circulant<Cfg> L;
  const long long units = Cfg::k / 4, time = L::fft_lanes * Cfg::k / Cfg::in_vec, groups = tokens * L::fft_groups;
  check::probe<typename L::in_t, Cfg::in_vec> in(Cfg::tick);
  check::probe<typename L::spectrum_t, L::fft_lanes * 4> first(Cfg::tick), source(Cfg::tick + 1), target(Cfg::tick + 1);
  check::words read, written, passed, left;
  for (int token = 0; token < tokens; ++token) {
    for (int b = 0; b < L::in_beats; ++b) read.push_back(token * L::fft_groups * time + b);
  }
  for (long long unit = 0; unit < groups * units; ++unit) {
    written.push_back((unit / units + 1) * time + unit % units * (time / units));
    passed.push_back(unit);
    left.push_back(unit + units);
  }
  swm::rfft_load<Cfg>(tokens, in, first);
  swm::rfft_pass<Cfg, 3>(tokens, source, target);
  check::same(in.at, read, "rfft_load reads");
  check::same(first.at, written, "rfft_load writes");
  check::same(source.at, passed, "rfft_pass reads");
  check::same(target.at, left, "rfft_pass writes");
  check::ticked(Cfg::tick);
  check::ticked(Cfg::tick + 1);
}

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  times<Cfg>(3);
  const int token_words = L::fft_groups * L::fft_lanes * Cfg::k, beats = L::in_beats * Cfg::in_vec;
  const long long low = -(1LL << (Cfg::in_bits - 1));
  for (int trial = 0; trial < 6; ++trial) {
    const int tokens = trial % 3 == 0 ? 1 : trial % 3 == 1 ? 4 : 2;
    check::words x;
    for (int token = 0; token < tokens; ++token) {
      check::words values = check::values(Cfg::n, Cfg::in_bits);
      const int kind = trial == 0 ? 0 : token;
      for (int i = 0; i < Cfg::n && trial < 3; ++i) values[i] = kind == 0 ? low : kind == 1 ? -low - 1 : i % 2 ? low : -low - 1;
      values.resize(beats);
      x.insert(x.end(), values.begin(), values.end());
    }
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::in_t, Cfg::in_vec> in;
      check::channel<typename L::spectrum_t, L::fft_lanes * 4> units(tokens * token_words);
      in.put(x);
      swm::rfft_load<Cfg>(tokens, in.port, units.port);
      const long long ticks = check::ticked(Cfg::tick), time = swm::max_of(Cfg::k / 4, L::fft_lanes * Cfg::k / Cfg::in_vec);
      check::that(ticks == time * (1 + tokens * L::fft_groups) && ticks == L::rfft_load_iterations(tokens), "iterations", ticks);
      out[again] = passes<Cfg, 3>::run(tokens, units.take(tokens * token_words));
    }
    check::that(out[0] == out[1], "same answer twice");
    for (int token = 0; token < tokens; ++token) {
      // blocks behind q are padding, and zero
      for (int j = 0; j < L::fft_groups * L::fft_lanes; ++j) compare<Cfg>(x, token * beats, j, out[0], token * token_words);
    }
  }
}

/// Every stage: the words of a unit lie in different banks on both sides, nothing is overwritten before it is read.
template <int K, int Quarter, bool More = (2 * Quarter <= K / 4)>
struct memories {
  static void run() {
    typedef swm::detail::pass_banks<K / 4, Quarter> banks;
    const int units = K / 4;
    std::vector<int> seen(2 * units), written(2 * units), read(2 * units);
    for (int u = 0; u < units; ++u) {
      const swm::detail::pass_words<Quarter> at(u);
      check::that(banks::bank(at.low) != banks::bank(at.high), "two words of a group meet", K, u);
      check::that(banks::bank(u) != banks::bank(u + units), "words u and u + k/4 meet", K, u);
      check::that(banks::address(u) == u && banks::address(u + units) == u, "their addresses", K, u);
      written[at.low] = written[at.high] = u;
      read[u] = read[u + units] = units + u;
    }
    for (int w = 0; w < 2 * units; ++w) {
      ++seen[banks::bank(w) * units + banks::address(w)];
      // forward: written as group, read as u; inverse: the other way round
      const int life = read[w] - written[w], inverse_life = units + written[w] - (read[w] - units);
      check::that(life >= 1 && life < 2 * units, "forward: read after it is written, before it is overwritten", w, life);
      check::that(inverse_life >= 1 && inverse_life < 2 * units, "inverse", w, inverse_life);
    }
    for (int at : seen) check::that(at == 1, "a place for every word", K, Quarter);
    memories<K, 2 * Quarter>::run();
  }
};
template <int K, int Quarter>
struct memories<K, Quarter, false> {
  static void run() {}
};

/// Values of a beat and of a unit lie in different banks, each at a place of its own, and live from write to read, for the
/// blocks that come (rfft_load) and those that leave (irfft_store, one iteration later).
template <int K, int V, bool More = (V <= K)>
struct corners {
  static void run() {
    typedef swm::detail::corner<K / 4, swm::max_of(1, V / 4), V> C;
    const int units = K / 4, values = C::banks;
    check::that(C::time == swm::max_of(units, swm::max_of(1, V / 4) * K / V), "time", K, V);
    std::vector<int> seen(values * units);
    for (int m = 0; m < values; ++m) {
      for (int u = 0; u < units; ++u) {
        ++seen[C::bank(m, u) * units + u];
        for (int other = 0; other < m; ++other) check::that(C::bank(m, u) != C::bank(other, u), "a unit", K, V);
        const int comes = (m * units + u) / V, read = C::time + u * C::every;
        check::that(read > comes && comes + 2 * C::time > read, "a value that comes", K, V);
        const int made = u < units / 2 ? (2 * u + 1) * C::every : (2 * (u - units / 2) + 1) * C::every + 1;
        const int leaves = C::time + 1 + comes;
        check::that(leaves > made && made + 2 * C::time >= leaves, "a value that leaves", K, V);
      }
    }
    for (int at : seen) check::that(at == 1, "a place for every value", K, V);
    for (int first = 0; first < values * units; first += V) {
      std::vector<int> hit(values);
      for (int i = first; i < first + V; ++i) ++hit[C::bank(i / units, i % units)];
      for (int count : hit) check::that(count <= 1, "a beat", K, V);
    }
    corners<K, 2 * V>::run();
  }
};
template <int K, int V>
struct corners<K, V, false> {
  static void run() {}
};

}  // namespace

int main() {
  corners<32, 1>::run();
  corners<64, 1>::run();
  corners<128, 1>::run();
  corners<256, 1>::run();
  memories<32, 1>::run();
  memories<64, 1>::run();
  memories<128, 1>::run();
  memories<256, 1>::run();
  //             m  n    k    bits shifts V  V' rows bins
  run<pass_config<7, 100, 32, 12, 0, 4, 4, 1, 2> >();
  run<pass_config<7, 100, 32, 12, 4, 1, 4, 1, 2> >();
  run<pass_config<7, 96, 32, 8, 2, 2, 4, 1, 2> >();
  run<pass_config<7, 75, 32, 16, 3, 8, 4, 1, 2> >();
  run<pass_config<7, 129, 32, 18, 0, 16, 4, 1, 2> >();
  run<pass_config<7, 300, 32, 6, 1, 32, 4, 1, 2> >();
  run<pass_config<7, 32, 32, 4, 2, 4, 4, 1, 2> >();
  run<pass_config<7, 65, 64, 18, 3, 16, 4, 1, 2> >();
  run<pass_config<7, 64, 64, 12, 0, 1, 4, 1, 2> >();
  run<pass_config<7, 190, 64, 12, 5, 2, 4, 1, 2> >();
  run<pass_config<7, 129, 128, 18, 0, 4, 4, 1, 2> >();
  run<pass_config<7, 1000, 128, 12, 3, 16, 4, 1, 2> >();
  run<pass_config<7, 128, 128, 12, 6, 8, 4, 1, 2> >();
  run<pass_config<7, 300, 256, 18, 4, 2, 4, 1, 2> >();
  run<pass_config<7, 256, 256, 16, 0, 8, 4, 1, 2> >();
  run<pass_config<7, 1500, 256, 18, 0, 16, 4, 1, 2> >();
  run<pass_config<7, 257, 256, 12, 7, 1, 4, 1, 2> >();
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
// Runs kernels on vectors from standard input and prints every integer that crosses a port, beat after beat.
//
// Each layer runs twice: all tokens in one call, then the same tokens in calls of one, two and the rest; both must print
// the same. Lines: each port (all tokens), then the counted iterations of the first run, then those of the second.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "swm/add.h"
#include "swm/concat.h"
#include "swm/count.h"
#include "swm/dense.h"
#include "swm/fork.h"
#include "swm/irfft_passes.h"
#include "swm/irfft_unrolled.h"
#include "swm/prelu.h"
#include "swm/rfft_passes.h"
#include "swm/rfft_unrolled.h"
#include "swm/scale.h"
#include "swm/spectral_mac.h"
#include "swm/width.h"

typedef std::vector<long long> values;

inline values read_values(int count) {
  values out(count);
  for (long long& v : out) {
    if (std::scanf("%lld", &v) != 1) std::exit(4);
  }
  return out;
}

inline void print(const values& all) {
  for (long long v : all) std::printf("%lld ", v);
  std::printf("\n");
}

// `tokens` rows of n values in whole beats of V.
inline values in_beats(const values& x, int n, int V) {
  values out;
  for (std::size_t at = 0; at < x.size(); at += n) {
    out.insert(out.end(), x.begin() + at, x.begin() + at + n);
    out.resize(out.size() + (V - n % V) % V, 0);
  }
  return out;
}

// A port of T in beats of N: a stream, or an array filled with rubbish so that a place left unwritten shows.
#ifdef SWM_VITIS
template <class T, int N>
struct port {
  typedef hls::stream<swm::vec<T, N> > type;
  type stream;

  explicit port(int /*beats*/) {}
  explicit port(const values& all) {
    for (std::size_t at = 0; at < all.size(); at += N) {
      swm::vec<T, N> word;
      for (int i = 0; i < N; ++i) word.v[i] = T(all[at + i]);
      stream.write(word);
    }
  }
  type& get() { return stream; }
  void expect_read() {
    if (!stream.empty()) std::exit(7);  // a beat that nobody took
  }
  values drain(int beats) {
    values out;
    for (int beat = 0; beat < beats; ++beat) {
      const swm::vec<T, N> word = stream.read();
      for (int i = 0; i < N; ++i) out.push_back(static_cast<long long>(word.v[i]));
    }
    if (!stream.empty()) std::exit(5);  // a beat too many
    return out;
  }
};
#else
template <class T, int N>
struct port {
  std::vector<T> array;

  explicit port(int beats) : array(beats * N + 2, T(85)) {}
  explicit port(const values& all) : array(all.begin(), all.end()) {}
  T* get() { return array.data(); }
  void expect_read() {}
  values drain(int beats) {
    if (array[beats * N] != T(85) || array[beats * N + 1] != T(85)) std::exit(5);  // written beyond the last beat
    return values(array.begin(), array.begin() + beats * N);
  }
};
#endif

// What every process of a layer writes, in calls of some tokens each.
struct record {
  std::vector<values> ports;
  std::size_t at;

  void start_call() { at = 0; }
  void add(const values& all) {
    if (at == ports.size()) ports.push_back(values());
    ports[at].insert(ports[at].end(), all.begin(), all.end());
    ++at;
  }
};

// One process with one input and one output.
template <class A, int NA, class B, int NB, class Kernel>
values through(record& seen, const values& x, int beats, Kernel kernel) {
  port<A, NA> in(x);
  port<B, NB> out(beats);
  auto&& i = in.get();
  auto&& o = out.get();
  kernel(i, o);
  in.expect_read();
  const values y = out.drain(beats);
  seen.add(y);
  return y;
}

// Runs `call(seen, first token, tokens)` for all tokens at once and in parts, and prints.
template <class Call>
void run_both(int tick, int processes, int tokens, Call call) {
  record seen[2];
  values counted[2];
  const int parts[2][3] = {{tokens, 0, 0}, {1, 2, tokens - 3}};
  for (int run = 0; run < 2; ++run) {
    const values before(swm::sim::ticks() + tick, swm::sim::ticks() + tick + processes);
    int first = 0;
    for (int part : parts[run]) {
      if (part == 0) continue;
      seen[run].start_call();
      call(seen[run], first, part);
      first += part;
    }
    for (int place = 0; place < processes; ++place) counted[run].push_back(swm::sim::ticks()[tick + place] - before[place]);
  }
  if (seen[0].ports != seen[1].ports) std::exit(3);  // something survived from the token before
  for (const values& all : seen[0].ports) print(all);
  print(counted[0]);
  print(counted[1]);
}

inline values rows_of(const values& x, int n, int first, int tokens) {
  return values(x.begin() + first * n, x.begin() + (first + tokens) * n);
}

// Stages Stage .. Last of the forward passes.
template <class Cfg, int Stage, bool Done>
struct forward_chain {
  typedef swm::circulant<Cfg> L;
  typedef typename L::spectrum_t T;
  enum { words = L::fft_lanes * 4 };
  static values run(record& seen, int tokens, const values& x) {
    const values y = through<T, words, T, words>(seen, x, tokens * L::fft_groups * L::units, [&](auto& in, auto& out) {
      swm::rfft_pass<Cfg, Stage>(tokens, in, out);
    });
    return forward_chain<Cfg, Stage + 1, Stage == int(L::stages)>::run(seen, tokens, y);
  }
};
template <class Cfg, int Stage>
struct forward_chain<Cfg, Stage, true> {
  static values run(record&, int, const values& x) { return x; }
};

template <class Cfg, int Stage, bool Done>
struct inverse_chain {
  typedef swm::circulant<Cfg> L;
  typedef typename L::inverse_pass_t T;
  enum { words = L::ifft_lanes * 4 };
  static values run(record& seen, int tokens, const values& x) {
    const values y = through<T, words, T, words>(seen, x, tokens * L::ifft_groups * L::units, [&](auto& in, auto& out) {
      swm::irfft_pass<Cfg, Stage>(tokens, in, out);
    });
    return inverse_chain<Cfg, Stage - 1, Stage == 3>::run(seen, tokens, y);
  }
};
template <class Cfg, int Stage>
struct inverse_chain<Cfg, Stage, true> {
  static values run(record&, int, const values& x) { return x; }
};

template <class Cfg, bool Unrolled>
struct transforms {
  typedef swm::circulant<Cfg> L;
  static values forward(record& seen, int tokens, const values& x) {
    return through<typename L::in_t, Cfg::in_vec, typename L::spectrum_t, L::x_beat>(
        seen, x, tokens * L::x_beats, [&](auto& in, auto& out) { swm::rfft_unrolled<Cfg>(tokens, in, out); });
  }
  template <class Bias>
  static void inverse(record& seen, int tokens, const Bias& bias, const values& a) {
    through<typename L::rounded_t, L::a_beat, typename L::out_t, Cfg::out_vec>(
        seen, a, tokens * L::out_beats, [&](auto& in, auto& out) { swm::irfft_unrolled<Cfg>(tokens, bias, in, out); });
  }
};

template <class Cfg>
struct transforms<Cfg, false> {
  typedef swm::circulant<Cfg> L;
  static values forward(record& seen, int tokens, const values& x) {
    const values y = through<typename L::in_t, Cfg::in_vec, typename L::spectrum_t, L::fft_lanes * 4>(
        seen, x, tokens * L::fft_groups * L::units, [&](auto& in, auto& out) { swm::rfft_load<Cfg>(tokens, in, out); });
    return forward_chain<Cfg, 3, false>::run(seen, tokens, y);
  }
  template <class Bias>
  static void inverse(record& seen, int tokens, const Bias& bias, const values& a) {
    const values y = through<typename L::rounded_t, L::a_beat, typename L::inverse_pass_t, L::ifft_lanes * 4>(
        seen, a, tokens * L::ifft_groups * L::units, [&](auto& in, auto& out) { swm::irfft_collect<Cfg>(tokens, in, out); });
    const values z = inverse_chain<Cfg, int(L::stages) - 1, false>::run(seen, tokens, y);
    through<typename L::inverse_pass_t, L::ifft_lanes * 4, typename L::out_t, Cfg::out_vec>(
        seen, z, tokens * L::out_beats, [&](auto& in, auto& out) { swm::irfft_store<Cfg>(tokens, bias, in, out); });
  }
};

template <class Cfg, class Weights, class Bias>
void run_circulant(const Weights& weights, const Bias& bias, int tokens) {
  typedef swm::circulant<Cfg> L;
  typedef transforms<Cfg, bool(L::streaming)> ends;
  const values all = read_values(tokens * Cfg::n);
  run_both(Cfg::tick, L::streaming ? 3 : 2 * L::stages - 1, tokens, [&](record& seen, int first, int count) {
    const values x = in_beats(rows_of(all, Cfg::n, first, count), Cfg::n, Cfg::in_vec);
    const values spectra = ends::forward(seen, count, x);
    const values sums = through<typename L::spectrum_t, L::x_beat, typename L::rounded_t, L::a_beat>(
        seen, spectra, count * L::ifft_groups * (L::words / L::drain_words),
        [&](auto& in, auto& out) { swm::spectral_mac<Cfg>(count, weights, in, out); });
    ends::inverse(seen, count, bias, sums);
  });
}

// A kernel `run(tokens, in, out)` of one process.
template <class L, int Tick, int N, int V, int OutBeats, int U, class Kernel>
void run_simple(int tokens, Kernel kernel) {
  const values all = read_values(tokens * N);
  run_both(Tick, 1, tokens, [&](record& seen, int first, int count) {
    through<typename L::in_t, V, typename L::out_t, U>(seen, in_beats(rows_of(all, N, first, count), N, V), count * OutBeats,
                                                       [&](auto& in, auto& out) { kernel(count, in, out); });
  });
}

template <class Cfg>
void run_add(int tokens) {
  typedef swm::add_layer<Cfg> L;
  const values a = read_values(tokens * Cfg::n), b = read_values(tokens * Cfg::n);
  run_both(Cfg::tick, 1, tokens, [&](record& seen, int first, int count) {
    port<typename L::b_t, Cfg::vec> second(in_beats(rows_of(b, Cfg::n, first, count), Cfg::n, Cfg::vec));
    auto&& other = second.get();
    through<typename L::a_t, Cfg::vec, typename L::out_t, Cfg::vec>(
        seen, in_beats(rows_of(a, Cfg::n, first, count), Cfg::n, Cfg::vec), count * L::out_beats,
        [&](auto& in, auto& out) { swm::add<Cfg>(count, in, other, out); });
    second.expect_read();
  });
}

// Calls swm::concat with as many ports as the layer has inputs.
template <class Cfg, int I, int Count>
struct concat_ports {
  typedef swm::concat_layer<Cfg> L;
  template <class Out, class... Ins>
  static void run(const std::vector<values>& all, int first, int count, Out& out, Ins&... ins) {
    typedef typename L::template input<I> P;
    port<typename P::in_t, Cfg::vec> next(in_beats(rows_of(all[I], P::n, first, count), P::n, Cfg::vec));
    auto&& in = next.get();
    concat_ports<Cfg, I + 1, Count>::run(all, first, count, out, ins..., in);
    next.expect_read();
  }
};
template <class Cfg, int Count>
struct concat_ports<Cfg, Count, Count> {
  template <class Out, class... Ins>
  static void run(const std::vector<values>&, int, int count, Out& out, Ins&... ins) {
    swm::concat<Cfg>(count, out, ins...);
  }
};

template <class Cfg>
void run_concat(int tokens, const std::vector<int>& channels) {
  typedef swm::concat_layer<Cfg> L;
  std::vector<values> all;
  for (int n : channels) all.push_back(read_values(tokens * n));
  run_both(Cfg::tick, 1, tokens, [&](record& seen, int first, int count) {
    port<typename L::out_t, Cfg::vec> out(count * L::out_beats);
    auto&& o = out.get();
    concat_ports<Cfg, 0, L::inputs>::run(all, first, count, o);
    seen.add(out.drain(count * L::out_beats));
  });
}

template <class Cfg>
void run_fork(int tokens) {
  typedef swm::fork_layer<Cfg> L;
  typedef typename L::out_t T;
  const values all = read_values(tokens * Cfg::n);
  run_both(Cfg::tick, 1, tokens, [&](record& seen, int first, int count) {
    port<T, Cfg::vec> x(in_beats(rows_of(all, Cfg::n, first, count), Cfg::n, Cfg::vec));
    port<T, Cfg::vec> a(count * L::beats), b(count * L::beats), c(count * L::beats);
    auto&& in = x.get();
    auto&& p = a.get();
    auto&& q = b.get();
    auto&& r = c.get();
    if (Cfg::copies == 2) {
      swm::fork<Cfg>(count, in, p, q);
    } else {
      swm::fork<Cfg>(count, in, p, q, r);
    }
    x.expect_read();
    seen.add(a.drain(count * L::beats));
    seen.add(b.drain(count * L::beats));
    if (Cfg::copies == 3) seen.add(c.drain(count * L::beats));
  });
}

// SPDX-License-Identifier: Apache-2.0
// pool.h against plain arithmetic: taps that come side by side and one after the other, beats that are not full, windows
// of which some taps do not count.
#include "swm/pool.h"

#include <type_traits>

#include "check.h"

namespace {

/// A window of 3 x 2 over a grid of 5 x 4, padded by one row and one column before it, by one row behind it.
template <int N, int Vec, int TapRows, int TapColumns, int Bits, int Out>
struct config {
  static constexpr int tick = 5, grid_rows = 5, grid_columns = 4, kernel_rows = 3, kernel_columns = 2;
  static constexpr int stride_rows = 2, stride_columns = 1, dilation_rows = 1, dilation_columns = 2;
  static constexpr int pad_rows = 1, pad_columns = 1, out_rows = 3, out_columns = 3;
  static constexpr int position_beats = (N + Vec - 1) / Vec, run_beats = 1, tap_rows = TapRows, tap_columns = TapColumns;
  static constexpr int window_words = Vec, window_bits = Bits, window_fill = 0;
  static constexpr int n = N, out_bits = Out, out_shift = 3;
  static constexpr int low_row = 0, high_row = 5, low_column = 0, high_column = 4;
};

template <int N, int Vec, int TapRows, int TapColumns, int Bits, int Out>
struct greatest : config<N, Vec, TapRows, TapColumns, Bits, Out> {
  static constexpr int reciprocal_bits = 0, reciprocals = 0;
  typedef swm::identity activation;
};
template <int N, int Vec, int TapRows, int TapColumns, int Bits, int Out, int Entries>
struct mean : config<N, Vec, TapRows, TapColumns, Bits, Out> {
  static constexpr int reciprocal_bits = 20, reciprocals = Entries;
  typedef swm::relu activation;
};

/// Values of one channel of a window, in the order in which they come.
template <class Cfg>
check::words taps_of(const check::words& given, int token, int channel) {
  typedef swm::pool_layer<Cfg> L;
  check::words found;
  const int beat = channel / L::V, lane = channel % L::V;
  for (int g = 0; g < L::groups; ++g) {
    for (int t = 0; t < L::taps; ++t) {
      found.push_back(given[(((token * L::beats + beat) * L::groups + g) * L::taps + t) * L::V + lane]);
    }
  }
  return found;
}

int inside(int start, int taps, int dilation, int low, int high) {
  int count = 0;
  for (int t = 0; t < taps; ++t) count += start + t * dilation >= low && start + t * dilation < high ? 1 : 0;
  return count;
}

template <class Cfg>
void compare(const check::words& got, const check::words& given, int tokens, const check::words* factors) {
  typedef swm::pool_layer<Cfg> L;
  check::that(got.size() == size_t(tokens * L::beats * L::V), "length", got.size(), tokens * L::beats * L::V);
  for (int token = 0; token < tokens; ++token) {
    for (int c = 0; c < L::beats * L::V; ++c) {
      check::wide value = 0;
      if (c < Cfg::n) {
        const check::words taps = taps_of<Cfg>(given, token, c);
        value = taps[0];
        for (size_t t = 1; t < taps.size(); ++t) value = factors ? value + taps[t] : taps[t] > value ? taps[t] : value;
        if (factors) {
          const int at = token % (Cfg::out_rows * Cfg::out_columns);
          const int row = at / Cfg::out_columns * Cfg::stride_rows - Cfg::pad_rows;
          const int column = at % Cfg::out_columns * Cfg::stride_columns - Cfg::pad_columns;
          const int rows = inside(row, Cfg::kernel_rows, Cfg::dilation_rows, Cfg::low_row, Cfg::high_row);
          const int columns = inside(column, Cfg::kernel_columns, Cfg::dilation_columns, Cfg::low_column, Cfg::high_column);
          value *= (*factors)[L::entries > 1 ? rows * (Cfg::kernel_columns + 1) + columns : 0];
          value = value < 0 ? 0 : value;
        }
        value = check::clip(check::round_to(value, Cfg::out_shift), Cfg::out_bits);
      }
      const long long word = got[(token * L::beats + c / L::V) * L::V + c % L::V];
      check::that(word == value, "value", word, static_cast<long long>(value));
    }
  }
}

template <class Cfg>
void bench_max(int tokens) {
  typedef swm::pool_layer<Cfg> L;
  const check::words given = check::values(tokens * L::period * L::V * L::taps, Cfg::window_bits);
  check::channel<typename L::in_t, L::V * L::taps> in;
  check::channel<typename L::out_t, L::V> out(tokens * L::beats * L::V);
  in.put(given);
  swm::max_pool<Cfg>(tokens, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick + 1);
  check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
  compare<Cfg>(out.take(tokens * L::beats * L::V), given, tokens, nullptr);
}

template <class Cfg>
void bench_mean(int tokens) {
  typedef swm::pool_layer<Cfg> L;
  const check::words given = check::values(tokens * L::period * L::V * L::taps, Cfg::window_bits);
  check::words factors;
  static typename L::reciprocal_t rom[1][L::entries][1];
  for (int i = 0; i < L::entries; ++i) {
    factors.push_back(check::value(19) & 0x3ffff);
    rom[0][i][0] = typename L::reciprocal_t(factors[i]);
  }
  check::channel<typename L::in_t, L::V * L::taps> in;
  check::channel<typename L::out_t, L::V> out(tokens * L::beats * L::V);
  in.put(given);
  swm::average_pool<Cfg>(tokens, rom, in.port, out.port);
  const long long ticks = check::ticked(Cfg::tick + 1);
  check::that(ticks == L::iterations(tokens), "iterations", ticks, L::iterations(tokens));
  compare<Cfg>(out.take(tokens * L::beats * L::V), given, tokens, &factors);
}

/// Positions of a row side by side: Out windows of 2 x Taps over tokens of In positions, N channels, some words unused.
template <int N, int In, int Out, int Taps, int First, int Stride, int Tokens, int TapRows, int Reciprocal>
struct side : config<N, 16, TapRows, Tokens, 8, 8> {
  static constexpr int kernel_rows = 2, kernel_columns = Tokens, dilation_columns = 1, grid_columns = 2 * Tokens;
  static constexpr int beside_in = In, beside_out = Out, first_column = First, column_taps = Taps;
  static constexpr int column_stride = Stride, column_dilation = 1, out_vec = 16;
  static constexpr int reciprocal_bits = Reciprocal, reciprocals = Reciprocal > 0;
  typedef swm::identity activation;
};

template <class Cfg, class In, class Out>
void pooled(int tokens, long long, In& in, Out& out, std::false_type) {
  swm::max_pool<Cfg>(tokens, in, out);
}
template <class Cfg, class In, class Out>
void pooled(int tokens, long long factor, In& in, Out& out, std::true_type) {
  static typename swm::pool_layer<Cfg>::reciprocal_t rom[1][1][1];
  rom[0][0][0] = typename swm::pool_layer<Cfg>::reciprocal_t(factor);
  swm::average_pool<Cfg>(tokens, rom, in, out);
}

template <class Cfg>
void bench_side(int tokens) {
  typedef swm::pool_layer<Cfg> L;
  constexpr int beat = Cfg::tap_rows * Cfg::kernel_columns * Cfg::window_words, mean = Cfg::reciprocal_bits > 0;
  const check::words given = check::values(tokens * L::period * beat, 8);
  const long long factor = 3 << 6;
  check::channel<typename L::in_t, beat> in;
  check::channel<typename L::out_t, L::V> out(tokens * L::V);
  in.put(given);
  pooled<Cfg>(tokens, factor, in.port, out.port, std::integral_constant<bool, mean>());
  check::that(check::ticked(Cfg::tick + 1) == tokens * L::groups, "iterations");
  const check::words got = out.take(tokens * L::V);
  for (int at = 0; at < tokens * L::V; ++at) {
    const int p = at % L::V / Cfg::n, c = at % L::V % Cfg::n;
    check::wide value = mean ? 0 : -1000;
    for (int row = 0; row < 2; ++row) {
      for (int tap = 0; tap < Cfg::column_taps; ++tap) {
        const int column = Cfg::first_column + p * Cfg::column_stride + tap;
        const int line = (at / L::V * 2 + row) * Cfg::kernel_columns + column / Cfg::beside_in;
        const long long x = p < Cfg::beside_out ? given[line * Cfg::window_words + column % Cfg::beside_in * Cfg::n + c] : 0;
        value = mean ? value + x : x > value ? check::wide(x) : value;
      }
    }
    if (mean) value *= factor;
    const check::wide wanted = p < Cfg::beside_out ? check::clip(check::round_to(value, Cfg::out_shift), 8) : check::wide(0);
    check::that(got[at] == wanted, "side by side", got[at], static_cast<long long>(wanted));
  }
}

}  // namespace

int main() {
  for (int tokens = 0; tokens < 4; ++tokens) {
    bench_side<side<3, 4, 2, 2, 0, 2, 1, 1, 0> >(tokens);
    bench_side<side<3, 4, 4, 3, 3, 1, 3, 2, 0> >(tokens);
    bench_side<side<5, 2, 1, 2, 0, 2, 1, 2, 12> >(tokens);
  }
  for (int frames = 0; frames < 3; ++frames) {
    const int tokens = 9 * frames;
    bench_max<greatest<1, 1, 1, 1, 8, 8> >(tokens);
    bench_max<greatest<5, 2, 1, 2, 12, 9> >(tokens);
    bench_max<greatest<8, 8, 3, 2, 18, 18> >(tokens);
    bench_max<greatest<6, 4, 3, 1, 4, 4> >(tokens);
    bench_mean<mean<3, 1, 1, 1, 8, 8, 12> >(tokens);
    bench_mean<mean<5, 4, 3, 2, 16, 16, 12> >(tokens);
    bench_mean<mean<8, 4, 1, 2, 18, 12, 1> >(tokens);
  }
  return check::result();
}

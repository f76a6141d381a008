// SPDX-License-Identifier: Apache-2.0
// pool.h against plain arithmetic: taps that come side by side and one after the other, beats that are not full, windows
// of which some taps do not count.
#include "swm/pool.h"

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

}  // namespace

int main() {
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

// SPDX-License-Identifier: Apache-2.0
// recurrent_steps.h, dense, against wide integers step by step: an LSTM with peepholes, initial states and a bound, and a GRU
// that resets after its product; sequences that take turns, frames one after the other, the last step alone, states that come
// in front. Gates are bounds,
// whose arithmetic is test_finish.cpp's. Block-circulant gates: tests/hls/test_recurrent_loops.py.
#include "swm/recurrent_calls.h"

#include <type_traits>

#include "check.h"

namespace {

template <int Cell, int N, int Hidden, int Steps, int Sequences, int Last, int InVec, int OutVec, int Rows, int Columns, int Start = 0>
struct config {
  static constexpr int tick = 3, cell = Cell, n = N, hidden = Hidden, m = Hidden, k = 1, steps = Steps, sequences = Sequences;
  static constexpr int last = Last, start = Start, in_bits = 8, weight_bits = 8, bias_bits = 20, state_bits = 12, fft_shifts = 0;
  static constexpr int acc_shift = 0, acc_shift_b = 0, join_shift = 2, in_vec = InVec, out_vec = OutVec, mac_rows = Rows;
  static constexpr int mac_columns = Columns, products = 3, rom_banks = 1, rom_lanes = Rows * Columns, feedback = 9;
  static constexpr bool lstm = Cell == swm::cell_lstm;
  static constexpr int first_bias = !Start, initial = !Start, peephole = lstm, clip = 1, clip_low = 5000, clip_high = 0;
  static constexpr int peephole_shift = 3, kept_shift = 0, new_shift = 1, unit_shift = lstm ? 0 : 7, state_shift = 7;
  static constexpr int out_shift = lstm ? 6 : 4, inner_shift = 5, reset_shift = 2, project_shift = 0;
  static constexpr int start_shift = 1, state_shift_h = -4, state_shift_c = -5;
  static constexpr int f_shift = 6, g_shift = 6, h_shift = 4;
  typedef swm::clip<0, 127> gate_f;
  typedef swm::clip<-128, 127> gate_g;
  typedef swm::clip<-100, 100> gate_h;
};

typedef check::wide wide;

/// A gate: bounded at the point of the sums, rounded, bounded.
wide gate(wide v, int shift, int low, int high, int bound) {
  if (bound) v = v > bound ? bound : v < -bound ? -bound : v;
  v = check::round_to(v, shift);
  return v > high ? high : v < low ? low : v;
}

/// The layer as it is called without states, with h, or with h and c.
template <class Cfg, class Weights, class Vectors, class In, class Out>
void called(std::integral_constant<int, 0>, int tokens, Weights& w, Vectors& v, In& in, const check::words&, const check::words&, Out& out) {
  swm::recurrent_steps<Cfg>(tokens, w, v, in.port, out.port);
}
template <class Cfg, class Weights, class Vectors, class In, class Out>
void called(std::integral_constant<int, 1>, int tokens, Weights& w, Vectors& v, In& in, const check::words& h0, const check::words&, Out& out) {
  check::channel<swm::int_t<8>, Cfg::out_vec> h;
  h.put(h0);
  swm::recurrent_started<Cfg>(tokens, w, v, in.port, h.port, out.port);
}
template <class Cfg, class Weights, class Vectors, class In, class Out>
void called(std::integral_constant<int, 2>, int tokens, Weights& w, Vectors& v, In& in, const check::words& h0, const check::words& c0, Out& out) {
  check::channel<swm::int_t<8>, Cfg::out_vec> h, c;
  h.put(h0);
  c.put(c0);
  swm::recurrent_started<Cfg>(tokens, w, v, in.port, h.port, c.port, out.port);
}

template <class Cfg>
void run(int frames) {
  typedef swm::recurrent<Cfg> L;
  constexpr int H = Cfg::hidden, N = Cfg::n, G = L::gates, S = Cfg::sequences;
  static typename L::weight_t weights[1][L::rom_depth][L::rom_lanes];
  static typename L::bias_t vectors[1][L::total_a][L::vector_lanes];
  const check::words w = check::values(G * H * N, 8), r = check::values(G * H * H, 8);
  const check::words sets = check::values(L::vector_sets * H, 8);  // peepholes are weights
  for (int address = 0; address < L::rom_depth; ++address) {
    for (int lane = 0; lane < L::rom_lanes; ++lane) {
      const int row = lane / Cfg::mac_columns, turn = address / L::columns % L::subs, group = address / L::columns / L::subs;
      const int unit = Cfg::mac_rows >= G ? group * L::units_side + row / G : group;
      const int g = Cfg::mac_rows >= G ? row % G : turn * Cfg::mac_rows + row;
      const int at = address % L::columns, side = lane % Cfg::mac_columns;
      const int x = at * Cfg::mac_columns + side, h = (at - L::x_groups) * Cfg::mac_columns + side;
      const bool of_x = at < L::x_groups && x < N && unit < H, of_h = at >= L::x_groups && h < H && unit < H;
      weights[0][address][lane] = typename L::weight_t(of_x ? w[(g * H + unit) * N + x] : of_h ? r[(g * H + unit) * H + h] : 0);
    }
  }
  for (int beat = 0; beat < L::total_a; ++beat) {
    for (int lane = 0; lane < L::vector_lanes; ++lane) {
      const int cell = beat * Cfg::out_vec + lane % Cfg::out_vec, set = lane / Cfg::out_vec;
      vectors[0][beat][lane] = typename L::bias_t(cell < H ? sets[set * H + cell] : 0);
    }
  }
  const int tokens = frames * Cfg::steps * S, turns = frames * L::turns * S, in_room = L::in_beats * Cfg::in_vec, out_room = L::out_beats * Cfg::out_vec;
  const int given = Cfg::last ? frames * S : tokens;
  check::words x = check::values(tokens * in_room, 8);
  check::channel<typename L::word_t, Cfg::in_vec> in;
  check::channel<typename L::in_t, Cfg::out_vec> values(given * out_room);
  in.put(x);
  const check::words h0 = check::values(frames * S * out_room, 8), c0 = check::values(frames * S * out_room, 8);
  called<Cfg>(std::integral_constant<int, Cfg::start ? 1 + Cfg::lstm : 0>(), turns, weights, vectors, in, h0, c0, values);
  const check::words out = values.take(given * out_room);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(turns), "iterations", ticks, L::iterations(turns));

  std::vector<wide> state(S * H), h(S * H);
  int place = 0, live = 0;
  for (int token = 0; token < tokens; ++token) {
    const int s = token % S, t = token / S % Cfg::steps;
    std::vector<wide> next(H);
    for (int c = 0; Cfg::start && t == 0 && c < H; ++c) {
      const int at = (token / S / Cfg::steps * S + s) * out_room + c;
      h[s * H + c] = check::clip(check::round_to(h0[at], Cfg::start_shift), 8);
      const wide moved = Cfg::lstm ? wide(c0[at]) * (1 << -Cfg::state_shift_c) : wide(h0[at]) * (1 << -Cfg::state_shift_h);
      state[s * H + c] = check::clip(moved, Cfg::state_bits);
    }
    for (int c = 0; c < H; ++c) {
      wide& kept = state[s * H + c];
      if (t == 0 && !Cfg::start) kept = sets[(L::vector_sets - 1) * H + c];
      wide over_x[4] = {}, over_h[4] = {};
      for (int g = 0; g < G; ++g) {
        for (int i = 0; i < N; ++i) over_x[g] += wide(w[(g * H + c) * N + i]) * x[token * in_room + i];
        for (int i = 0; i < H && (t > 0 || Cfg::start); ++i) over_h[g] += wide(r[(g * H + c) * H + i]) * h[s * H + i];
        over_x[g] *= 1 << Cfg::join_shift;
      }
      auto bias = [&](int g) { return wide(sets[((t == 0 && !Cfg::start ? L::biases : 0) + g) * H + c]); };
      auto f = [&](wide v) { return gate(v, Cfg::f_shift, 0, 127, Cfg::clip_low); };
      auto g = [&](wide v) { return gate(v, Cfg::g_shift, -128, 127, Cfg::clip_low); };
      if (Cfg::lstm) {
        auto sum = [&](int i) { return over_x[i] + over_h[i] + bias(i); };
        auto seen = [&](int i) {
          const wide product = check::round_to(wide(sets[(L::biases * (1 + Cfg::first_bias) + i) * H + c]) * kept, Cfg::peephole_shift);
          return check::clip(product, L::value_bits);
        };
        const wide i = f(sum(0) + seen(0)), forget = f(sum(2) + seen(2)), candidate = g(sum(3));
        kept = check::clip(check::round_to(forget * kept + i * candidate * 2, Cfg::state_shift), Cfg::state_bits);
        const wide o = f(sum(1) + seen(1));
        next[c] = check::clip(check::round_to(o * gate(kept, Cfg::h_shift, -100, 100, 0), Cfg::out_shift), 8);
      } else {
        const wide z = f(over_x[0] + over_h[0] + bias(0)), reset = f(over_x[1] + over_h[1] + bias(1));
        const wide inner = check::clip(check::round_to(over_h[2] + bias(2), Cfg::inner_shift), Cfg::state_bits);
        const wide n = g(over_x[2] + bias(3) + check::round_to(reset * inner, Cfg::reset_shift)) * 2;
        kept = check::clip(check::round_to(n * 128 + z * (kept - n), Cfg::state_shift), Cfg::state_bits);
        next[c] = check::clip(check::round_to(kept, Cfg::out_shift), 8);
      }
    }
    for (int c = 0; c < H; ++c) h[s * H + c] = next[c];
    if (Cfg::last && t != Cfg::steps - 1) continue;
    for (int c = 0; c < out_room; ++c) {
      const wide wanted = c < H ? next[c] : 0;
      check::that(out[place * out_room + c] == wanted, "value", out[place * out_room + c], static_cast<long long>(wanted));
      live += wanted != 0;
    }
    ++place;
  }
  check::that(live > place, "outputs other than zero");
}

}  // namespace

int main() {
  // cell, inputs, cells, steps, sequences, last; in_vec, out_vec, rows, columns
  run<config<swm::cell_lstm, 5, 6, 4, 1, 0, 1, 1, 1, 1> >(3);
  run<config<swm::cell_lstm, 6, 7, 3, 2, 0, 2, 2, 8, 4> >(2);
  run<config<swm::cell_gru_after, 3, 5, 4, 1, 1, 1, 1, 3, 2> >(3);
  run<config<swm::cell_gru_after, 4, 6, 2, 3, 0, 2, 2, 6, 2> >(2);
  run<config<swm::cell_lstm, 6, 7, 3, 2, 0, 2, 2, 8, 4, 1> >(2);
  run<config<swm::cell_lstm, 5, 6, 1, 1, 0, 1, 1, 1, 1, 1> >(3);
  run<config<swm::cell_gru_after, 3, 5, 4, 3, 1, 1, 1, 3, 2, 1> >(2);
  return check::result();
}

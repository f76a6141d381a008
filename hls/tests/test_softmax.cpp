// SPDX-License-Identifier: Apache-2.0
// softmax.h against plain arithmetic: tokens and beats that do and do not divide each other, reciprocals and exact quotients, masks. The
// table of exponents is a ramp here, whose arithmetic is test_finish.cpp's.
#include "swm/softmax.h"

#include <math.h>

#include "check.h"

namespace {

/// Powers fall by `slope` a step below the maximum, from 1 down to 0.
template <int PowerBits, int Slope>
struct falling {
  static constexpr int input_shift = 0, input_bits = 20, slope = Slope, slope_bits = 10, offset = 1 << (PowerBits - 2), offset_bits = PowerBits;
  static constexpr int offset_shift = 0, out_shift = 0, low = -5, high = 1 << (PowerBits - 2);
};

template <int N, int Bits, int PowerBits, int OutBits, int QuotientFrac, int RecipFrac, int RecipStep, int Slope, int Vec>
struct config {
  static constexpr int tick = 4, n = N, in_bits = Bits, power_bits = PowerBits, out_bits = OutBits, out_shift = QuotientFrac - OutBits + 1;
  static constexpr int quotient_frac = QuotientFrac, recip_frac = RecipFrac, recip_step = RecipStep, vec = Vec, fall = Slope;
  typedef swm::ramp<falling<PowerBits, Slope> > power;
  typedef swm::identity activation;
};

/// The first process, whichever it is; so that one without a mask has no ROM.
template <class Cfg, int Each, int Rows>
struct first {
  typedef typename swm::softmax_layer<Cfg>::token_t token_t;
  enum { depth = Rows * int(swm::softmax_layer<Cfg>::beats) };
  typename swm::softmax_layer<Cfg>::mask_t rom[1][depth][Cfg::vec];
  first() {
    const check::words bits = check::values(depth * Cfg::vec, 4);
    for (int i = 0; i < depth * Cfg::vec; ++i) rom[0][i / Cfg::vec][i % Cfg::vec] = bits[i] > 0 ? -1 : 0;
    for (int row = 0; row < Rows; ++row) rom[0][depth / Rows * row + row % Cfg::n / Cfg::vec][row % Cfg::n % Cfg::vec] = 0;
  }
  bool hides(int token, int c) const { return rom[0][token / Each % Rows * (depth / Rows) + c / Cfg::vec][c % Cfg::vec] != 0; }
  template <class In, class Token, class Top>
  void operator()(int tokens, In& in, Token& token, Top& top) const {
    swm::softmax_mask<Cfg, Each, Rows>(tokens, rom, in, token, top);
  }
};
template <class Cfg, int Each>
struct first<Cfg, Each, 0> {
  typedef typename swm::softmax_layer<Cfg>::in_t token_t;
  bool hides(int, int) const { return false; }
  template <class In, class Token, class Top>
  void operator()(int tokens, In& in, Token& token, Top& top) const {
    swm::softmax_top<Cfg>(tokens, in, token, top);
  }
};

template <class Cfg, int Each = 1, int Rows = 0>
void run() {
  typedef swm::softmax_layer<Cfg> L;
  static const first<Cfg, Each, Rows> greatest;
  constexpr int V = Cfg::vec, room = L::beats * V, M = Cfg::recip_frac, one = 1 << (Cfg::power_bits - 2);
  static typename L::entry_t rom[1][L::recip_words][2];
  for (int i = 0; i < L::recip_words; ++i) {
    const double from = 1 + double(i) / L::recip_words, to = 1 + double(i + 1) / L::recip_words;
    rom[0][i][0] = typename L::entry_t(floor(ldexp(1 / from, M + 2) + 0.5));
    rom[0][i][1] = typename L::entry_t(floor(ldexp(1 / to - 1 / from, M + 2) + 0.5));
  }
  const int tokens_of[] = {1, 3, 8};
  for (int trial = 0; trial < 6; ++trial) {
    const int tokens = tokens_of[trial % 3];
    const bool exact = trial > 2;
    check::words x = check::values(tokens * room, Cfg::in_bits);
    for (int t = 0; t < tokens && trial % 3 == 2; ++t) {  // values close together
      for (int c = 0; c < room; ++c) x[t * room + c] /= 1 << (Cfg::in_bits - 3);
    }
    check::channel<typename L::in_t, V> in;
    check::channel<typename first<Cfg, Each, Rows>::token_t, V> token(tokens * room);
    check::channel<typename L::in_t, 1> top(tokens);
    check::channel<typename L::power_t, V> powers(tokens * room);
    check::channel<typename L::total_t, 1> total(tokens);
    check::channel<typename L::factor_t, 2> factor(tokens * 2);
    check::channel<typename L::out_t, V> out(tokens * room);
    in.put(x);
    greatest(tokens, in.port, token.port, top.port);
    swm::softmax_power<Cfg, (Rows > 0)>(tokens, top.port, token.port, powers.port, total.port);
    if (exact) {
      swm::softmax_divide<Cfg>(tokens, total.port, powers.port, out.port);
    } else {
      swm::softmax_factor<Cfg>(tokens, rom, total.port, factor.port);
      swm::softmax_scale<Cfg>(tokens, factor.port, powers.port, out.port);
    }
    const long long beats = tokens * L::beats;
    check::that(check::ticked(4) == beats && check::ticked(5) == beats, "iterations of maxima and powers");
    if (exact) {
      check::that(check::ticked(6) == beats, "iterations of quotients");
    } else {
      check::that(check::ticked(6) == tokens && check::ticked(7) == beats, "iterations of factors and products");
    }
    const check::words got = out.take(tokens * room);
    for (int t = 0; t < tokens; ++t) {
      long long best = -(1LL << (Cfg::in_bits - 1)), sum = 0;
      for (int c = 0; c < Cfg::n; ++c) best = !greatest.hides(t, c) && x[t * room + c] > best ? x[t * room + c] : best;
      long long power[room] = {};
      for (int c = 0; c < Cfg::n; ++c) {
        const long long p = one + (x[t * room + c] - best) * Cfg::fall;
        power[c] = p < 0 || greatest.hides(t, c) ? 0 : p;
        sum += power[c];
      }
      int h = 0;
      while ((sum >> (h + 1)) != 0) ++h;
      const long long mantissa = h >= M ? sum >> (h - M) : sum << (M - h);
      const long long at = mantissa - (1LL << M), segment = at >> Cfg::recip_step, place = at & ((1LL << Cfg::recip_step) - 1);
      const check::wide line = check::wide(rom[0][segment][0]) * (1 << Cfg::recip_step) + check::wide(rom[0][segment][1]) * place;
      const check::wide reciprocal = check::round_to(line, Cfg::recip_step + 2);
      for (int c = 0; c < room; ++c) {
        const check::wide quotient = exact ? ((check::wide(power[c]) << Cfg::quotient_frac) + sum / 2) / sum
                                           : check::round_to(power[c] * reciprocal, M + h - Cfg::quotient_frac);
        const long long wanted = static_cast<long long>(check::clip(check::round_to(quotient, Cfg::out_shift), Cfg::out_bits));
        check::that(got[t * room + c] == wanted, "value", got[t * room + c], wanted);
        if (c < Cfg::n) {
          const double real = double(power[c]) / double(sum), off = fabs(ldexp(double(got[t * room + c]), 1 - Cfg::out_bits) - real);
          check::that(off <= ldexp(1.5, 1 - Cfg::out_bits), "distance from the quotient", got[t * room + c], static_cast<long long>(ldexp(real, Cfg::out_bits)));
        }
      }
    }
  }
}

}  // namespace

int main() {
  run<config<5, 8, 12, 8, 11, 11, 6, 9, 1> >();
  run<config<16, 8, 12, 8, 11, 11, 6, 20, 4> >();
  run<config<17, 16, 18, 16, 19, 17, 9, 3, 8> >();
  run<config<3, 4, 8, 4, 7, 7, 4, 5, 4> >();
  run<config<64, 18, 18, 18, 21, 17, 9, 1, 2> >();
  run<config<5, 8, 12, 8, 11, 11, 6, 9, 1>, 2, 2>();
  run<config<17, 16, 18, 16, 19, 17, 9, 3, 8>, 1, 8>();
  run<config<16, 8, 12, 8, 11, 11, 6, 20, 4>, 8, 1>();
  run<config<3, 4, 8, 4, 7, 7, 4, 5, 4>, 1, 1>();
  return check::result();
}

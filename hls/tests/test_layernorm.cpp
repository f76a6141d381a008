// SPDX-License-Identifier: Apache-2.0
// layernorm.h: every integer on every port against wide integers, and the outputs against double precision.
#include "swm/rmsnorm.h"

#include <math.h>

#include "check.h"

namespace {

template <int N, int Bits, int OutBits, int WeightBits, int Epsilon, int NormalFrac, int RootFrac, int RootStep, int Shift, int Vec, int Banks>
struct config {
  static constexpr int tick = 20, n = N, in_bits = Bits, out_bits = OutBits, weight_bits = WeightBits, bias_bits = 24;
  static constexpr int epsilon_low = Epsilon & ((1 << 30) - 1), epsilon_high = Epsilon >> 30, normal_frac = NormalFrac;
  static constexpr int spread_bits = swm::max_of(2 * (Bits + swm::clog2(N)), swm::clog2(Epsilon) + 3);
  static constexpr int root_frac = RootFrac, root_step = RootStep, out_shift = Shift, vec = Vec;
  static constexpr int rom_banks = Banks, rom_lanes = Vec / Banks;
  typedef swm::identity activation;
};

long long nearest(double v) { return static_cast<long long>(floor(v + 0.5)); }

template <class Cfg>
void run() {
  typedef swm::layernorm_layer<Cfg> L;
  static typename L::weight_t gain[Cfg::rom_banks][L::rom_depth][Cfg::rom_lanes];
  static typename L::bias_t bias[L::bias_words];
  static typename L::root_t root_rom[1][L::root_words][2];
  const double width = ldexp(1.0, Cfg::root_step - Cfg::root_frac), unit = ldexp(1.0, Cfg::root_frac + 2);
  for (int i = 0; i < L::root_words; ++i) {
    const double left = 1 / sqrt(1 + i * width), right = 1 / sqrt(1 + (i + 1) * width);
    root_rom[0][i][0] = typename L::root_t(nearest(left * unit));
    root_rom[0][i][1] = typename L::root_t(nearest((right - left) * unit));
  }
  double worst = 0;
  bool moved = false;
  for (int trial = 0; trial < 24; ++trial) {
    const int tokens = trial % 4, room = L::beats * L::V;
    const check::words g = check::values(room, Cfg::weight_bits), b = check::values(room, 12);
    check::words x = check::values(tokens * room, trial % 3 ? Cfg::in_bits : 3);
    if (trial % 5 == 4) {
      for (long long& v : x) v = x[0];  // no spread but epsilon
    }
    for (int at = 0; at < room; ++at) gain[at % L::V / Cfg::rom_lanes][at / L::V][at % Cfg::rom_lanes] = typename L::weight_t(g[at]);
    check::fill(bias, b);
    check::channel<typename L::in_t, Cfg::vec> in;
    check::channel<typename L::in_t, Cfg::vec> token(tokens * room);
    check::channel<typename L::sum_t, 2> sums(tokens * 2);
    check::channel<typename L::scale_t, 3> scale(tokens * 3);
    check::channel<typename L::out_t, Cfg::vec> values(tokens * room);
    in.put(x);
    swm::layernorm_sums<Cfg>(tokens, in.port, token.port, sums.port);
    check::that(check::ticked(Cfg::tick) == L::iterations(tokens), "iterations of the sums");
    const check::words passed = token.take(tokens * room), summed = sums.take(tokens * 2);
    check::that(passed == x, "the token passes");
    check::channel<typename L::in_t, Cfg::vec> again;
    check::channel<typename L::sum_t, 2> both;
    again.put(passed);
    both.put(summed);
    swm::layernorm_root<Cfg>(tokens, root_rom, both.port, scale.port);
    check::that(check::ticked(Cfg::tick + 1) == tokens, "iterations of the root");
    const check::words found = scale.take(tokens * 3);
    check::channel<typename L::scale_t, 3> roots;
    roots.put(found);
    swm::layernorm_apply<Cfg>(tokens, gain, bias, roots.port, again.port, values.port);
    check::that(check::ticked(Cfg::tick + 2) == L::iterations(tokens), "iterations of the outputs");
    const check::words out = values.take(tokens * room);
    for (int t = 0; t < tokens; ++t) {
      check::wide sum = 0, squares = 0;
      for (int c = 0; c < Cfg::n; ++c) {
        if (!L::mean_free) sum += x[t * room + c];
        squares += check::wide(x[t * room + c]) * x[t * room + c];
      }
      check::that(summed[2 * t] == sum && summed[2 * t + 1] == squares, "sums", summed[2 * t], summed[2 * t + 1]);
      const long long epsilon = (static_cast<long long>(Cfg::epsilon_high) << 30) + Cfg::epsilon_low;
      const check::wide spread = squares * Cfg::n - sum * sum + epsilon;
      const long long h = found[3 * t + 2], root = found[3 * t + 1];
      check::that(found[3 * t] == sum, "the sum goes along", found[3 * t]);
      check::that((check::wide(1) << (2 * h)) <= spread && spread < (check::wide(4) << (2 * h)), "power of four", h);
      const double exact = ldexp(1.0, int(h)) / sqrt(double(spread));
      check::that(fabs(ldexp(double(root), -Cfg::root_frac) - exact) <= exact * 2.5 * ldexp(1.0, -Cfg::root_frac), "root", root, h);
      for (int c = 0; c < room; ++c) {
        const check::wide scaled = (check::wide(x[t * room + c]) * Cfg::n - sum) * (1 << Cfg::normal_frac);
        const check::wide normal = check::round_to(check::round_to(scaled, int(h)) * root, Cfg::root_frac);
        const check::wide v = normal * g[c] + b[c];
        const long long wanted = c < Cfg::n ? static_cast<long long>(check::clip(check::round_to(v, Cfg::out_shift), Cfg::out_bits)) : 0;
        check::that(out[t * room + c] == wanted, "value", out[t * room + c], wanted);
        moved = moved || wanted != 0;
        if (c < Cfg::n) {
          const double real = ldexp(double(scaled), -Cfg::normal_frac) / sqrt(double(spread));
          worst = fmax(worst, fabs(ldexp(double(normal), -Cfg::normal_frac) - real) / (1 + fabs(real)));
        }
      }
    }
  }
  check::that(moved, "outputs other than zero");
  check::that(worst <= 2.5 * ldexp(1.0, -Cfg::normal_frac), "distance of normalised values", nearest(worst * 1e9));
}

}  // namespace

int main() {
  run<config<7, 8, 8, 8, 1, 8, 10, 6, 10, 1, 1> >();
  run<config<20, 12, 12, 12, 900, 11, 13, 7, 14, 4, 2> >();
  run<config<64, 18, 18, 18, 1, 18, 18, 10, 20, 8, 1> >();
  run<config<5, 4, 4, 4, 1 << 30, 4, 6, 4, 6, 2, 1> >();  // epsilon beside which inputs are nothing
  run<config<3, 8, 12, 10, 77, 13, 15, 8, 15, 4, 1> >();
  run<swm::rmsnorm_config<config<7, 8, 8, 8, 1, 8, 10, 6, 10, 1, 1> > >();
  run<swm::rmsnorm_config<config<20, 12, 12, 12, 900, 11, 13, 7, 14, 4, 2> > >();
  return check::result();
}

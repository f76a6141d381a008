// SPDX-License-Identifier: Apache-2.0
// matmul.h against loops over wide integers: heads inside and outside of rows and lines, lines that are rows or columns, groups
// that are not full, heads that share a matrix, one to three frames.
#include "swm/matmul.h"

#include "check.h"

namespace {

template <int M, int N, int Heads, int Positions, int Order, int Bits, int StoredBits, int OutBits, int Shift, int InVec, int OutVec,
          int Rows, int Columns, class Activation>
struct config {
  static constexpr int tick = 3, m = M, n = N, heads = Heads, positions = Positions;
  static constexpr int heads_inside = Order & 1, stored_inside = Order >> 1 & 1, along_inner = Order >> 2 & 1;
  static constexpr int in_bits = Bits, stored_bits = StoredBits, out_bits = OutBits, out_shift = Shift;
  static constexpr int in_vec = InVec, out_vec = OutVec, rows = Rows, columns = Columns;
  typedef Activation activation;
};

template <class Cfg, int Shared>
void bench(int frames, bool rectified) {
  typedef swm::matmul_layer<Cfg, Shared> L;
  const int room = L::in_beats * Cfg::in_vec, line = L::line_beats * Cfg::in_vec, lines = L::lines, width = L::out_beats * Cfg::out_vec;
  const check::words a = check::values(frames * L::tokens * room, Cfg::in_bits);
  const check::words b = check::values(frames * L::stored_heads * lines * line, Cfg::stored_bits);
  check::channel<typename L::in_t, Cfg::in_vec> in;
  check::channel<typename L::stored_t, Cfg::in_vec> stored;
  check::channel<typename L::out_t, Cfg::out_vec> out(frames * L::tokens * width);
  in.put(a);
  stored.put(b);
  swm::matmul<Cfg, Shared>(frames, in.port, stored.port, out.port);
  const check::words got = out.take(frames * L::tokens * width);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  bool moved = false;
  for (int f = 0; f < frames; ++f) {
    for (int h = 0; h < Cfg::heads; ++h) {
      for (int p = 0; p < Cfg::positions; ++p) {
        const int row = f * L::tokens + (Cfg::heads_inside ? p * Cfg::heads + h : h * Cfg::positions + p);
        for (int c = 0; c < width; ++c) {
          check::wide sum = 0;
          for (int k = 0; k < Cfg::n && c < Cfg::m; ++k) {
            const int of = Cfg::along_inner ? c : k, at = Cfg::along_inner ? k : c;
            const int place = f * L::stored_heads * lines + (Cfg::stored_inside ? of * L::stored_heads + h / Shared : h / Shared * lines + of);
            sum += check::wide(a[row * room + k]) * b[place * line + at];
          }
          if (rectified && sum < 0) sum = 0;
          const long long wanted = static_cast<long long>(check::clip(check::round_to(sum, Cfg::out_shift), Cfg::out_bits));
          check::that(got[row * width + c] == wanted, "value", got[row * width + c], wanted);
          moved = moved || wanted != 0;
        }
      }
    }
  }
  check::that(moved, "outputs other than zero");
}

template <class Cfg, int Shared = 1>
void run(bool rectified = false) {
  for (int frames = 1; frames < 4; ++frames) bench<Cfg, Shared>(frames, rectified);
}

}  // namespace

int main() {
  using swm::identity;
  using swm::relu;
  //         m   n  h  p order bits     shift V V' PE SIMD
  run<config<7, 5, 1, 4, 4, 8, 8, 8, 9, 1, 1, 1, 1, identity> >();
  run<config<17, 16, 3, 17, 7, 12, 12, 12, 13, 4, 2, 4, 8, identity> >();
  run<config<16, 17, 3, 17, 3, 12, 10, 14, 13, 4, 4, 8, 4, relu> >(true);
  run<config<6, 9, 2, 5, 0, 18, 18, 18, 19, 2, 2, 4, 6, identity> >();
  run<config<9, 6, 2, 5, 1, 4, 16, 8, 9, 8, 16, 16, 8, identity> >();
  run<config<9, 6, 4, 1, 6, 8, 4, 8, 5, 2, 1, 3, 2, identity> >();
  run<config<3, 10, 2, 2, 5, 8, 8, 8, 9, 4, 4, 3, 12, identity> >();
  run<config<40, 30, 1, 1, 0, 8, 8, 8, 9, 1, 1, 2, 3, identity> >();  // one row: B takes longer to load than to multiply
  run<config<1, 1, 1, 1, 4, 8, 8, 18, 0, 1, 1, 1, 1, identity> >();
  run<config<9, 6, 4, 5, 7, 8, 8, 8, 9, 2, 1, 3, 2, identity>, 2>();  // heads that share matrices
  run<config<6, 9, 6, 3, 0, 12, 8, 12, 13, 2, 2, 4, 6, identity>, 3>();
  run<config<5, 8, 3, 1, 5, 8, 8, 8, 9, 4, 4, 4, 4, identity>, 3>();
  return check::result();
}

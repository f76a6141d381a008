// SPDX-License-Identifier: Apache-2.0
// axi.h (Vitis flavour only): what a host writes into int8, int16 and int32 arrays arrives, and TLAST marks the end.
#include "swm/axi.h"

#include <string.h>

#include "check.h"

namespace {

template <int Bits, int V, int Container, int Beats, class Host>
void run() {
  typedef ap_axiu<V * Container, 0, 0, 0> axis_t;
  typedef swm::int_t<Bits> value_t;
  for (int again = 0; again < 2; ++again) {
    Host sent[Beats * V], got[Beats * V];
    for (int i = 0; i < Beats * V; ++i) sent[i] = static_cast<Host>(check::value(Bits));
    hls::stream<axis_t> in, out;
    for (int beat = 0; beat < Beats; ++beat) {  // bytes of the host's memory, little end first
      axis_t word;
      word.data = 0;
      for (int byte = 0; byte < V * Container / 8; ++byte) {
        unsigned char raw;
        memcpy(&raw, reinterpret_cast<const unsigned char*>(sent) + beat * V * Container / 8 + byte, 1);
        word.data.range(8 * byte + 7, 8 * byte) = ap_uint<8>(static_cast<int>(raw));
      }
      word.keep = -1;
      word.strb = -1;
      word.last = 0;
      in.write(word);
    }
    hls::stream<swm::vec<value_t, V> > values, copies;
    swm::read_axis<Bits, V, Container, Beats>(in, values);
    for (int beat = 0; beat < Beats; ++beat) {
      const swm::vec<value_t, V> value = values.read();
      for (int i = 0; i < V; ++i) {
        const long long element = static_cast<long long>(value.v[i]);
        check::that(element == sent[beat * V + i], "element", element, sent[beat * V + i]);
      }
      copies.write(value);
    }
    check::that(values.empty() && in.empty(), "one beat in, one beat out");
    swm::write_axis<Bits, V, Container, Beats>(copies, out);
    for (int beat = 0; beat < Beats; ++beat) {
      axis_t word = out.read();
      for (int byte = 0; byte < V * Container / 8; ++byte) {
        const ap_uint<8> part = word.data.range(8 * byte + 7, 8 * byte);
        const unsigned char raw = static_cast<unsigned char>(static_cast<unsigned long long>(part));
        memcpy(reinterpret_cast<unsigned char*>(got) + beat * V * Container / 8 + byte, &raw, 1);
      }
      check::that((word.last != 0) == (beat == Beats - 1), "TLAST", beat);
      const ap_uint<V * Container / 8> all = -1;
      check::that(word.keep == all && word.strb == all, "every byte is kept", beat);
    }
    check::that(out.empty(), "no beat too many");
    for (int i = 0; i < Beats * V; ++i) check::that(got[i] == sent[i], "round trip", got[i], sent[i]);
  }
}

}  // namespace

int main() {
  run<8, 1, 8, 5, int8_t>();
  run<4, 4, 8, 3, int8_t>();
  run<12, 2, 16, 7, int16_t>();
  run<16, 16, 16, 1, int16_t>();
  run<9, 4, 16, 2, int16_t>();
  run<18, 4, 32, 6, int32_t>();
  run<17, 1, 32, 4, int32_t>();
  return check::result();
}

// SPDX-License-Identifier: Apache-2.0
/// \file ap_axi_sdata.h
/// \brief Stand-in for the Xilinx header in C simulation: an AXI4-Stream beat without user, id and dest.
///
/// Works with the stand-in ap_int.h and with the real one, which is why the include has angle brackets.
#pragma once

#include <ap_int.h>

template <int WData, int WUser, int WId, int WDest>
struct ap_axiu {
  static_assert(WUser == 0 && WId == 0 && WDest == 0, "swm's streams carry no side band but keep, strb and last");
  ap_uint<WData> data;
  ap_uint<WData / 8> keep;
  ap_uint<WData / 8> strb;
  ap_uint<1> last;
};

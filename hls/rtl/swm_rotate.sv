// SPDX-License-Identifier: Apache-2.0
/// \file swm_rotate.sv
/// \brief N values of WIDTH bits turn in a circle: value i is value (i + amount STEP) mod N of the input, amount < 2^BITS.
///
/// A choice of two a bit of the amount. No register.
module swm_rotate #(
    parameter int N = 4,
    parameter int WIDTH = 8,
    parameter int STEP = 1,
    parameter int BITS = 2
) (
    input  logic [N*WIDTH-1:0] in,
    input  logic [   BITS-1:0] amount,
    output logic [N*WIDTH-1:0] out
);
  genvar s;
  generate
    for (s = 0; s <= BITS; s = s + 1) begin : g_level
      logic [N*WIDTH-1:0] v;
      if (s == 0) begin : g_input
        assign v = in;
      end else begin : g_choice
        localparam int CUT = (STEP << (s - 1)) * WIDTH;
        assign v = amount[s-1] ? {g_level[s-1].v[CUT-1:0], g_level[s-1].v[N*WIDTH-1:CUT]} : g_level[s-1].v;
      end
    end
  endgenerate
  assign out = g_level[BITS].v;
endmodule

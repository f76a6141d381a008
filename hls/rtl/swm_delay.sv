// SPDX-License-Identifier: Apache-2.0
/// \file swm_delay.sv
/// \brief What comes in leaves N cycles later, N >= 0.
///
/// No reset: tools make shift registers of it (SRL, LUTRAM). What must be false at start is delayed by swm_valid.
module swm_delay #(
    parameter int WIDTH = 1,
    parameter int N = 1
) (
    input  logic             clk,
    input  logic [WIDTH-1:0] in,
    output logic [WIDTH-1:0] out
);
  generate
    if (N == 0) begin : g_wire
      logic unused;
      assign unused = &{1'b0, clk};
      assign out = in;
    end else if (N == 1) begin : g_one
      always_ff @(posedge clk) out <= in;
    end else begin : g_more
      logic [N*WIDTH-1:0] held;
      always_ff @(posedge clk) held <= {held[(N-1)*WIDTH-1:0], in};
      assign out = held[(N-1)*WIDTH+:WIDTH];
    end
  endgenerate
endmodule

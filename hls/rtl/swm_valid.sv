// SPDX-License-Identifier: Apache-2.0
/// \file swm_valid.sv
/// \brief A mark of an iteration on its way through a pipeline: `out` is `in` of N cycles ago, N >= 0; false after reset.
module swm_valid #(
    parameter int N = 1
) (
    input  logic clk,
    input  logic rst,
    input  logic in,
    output logic out
);
  generate
    if (N == 0) begin : g_wire
      logic unused;
      assign unused = &{1'b0, clk, rst};
      assign out = in;
    end else if (N == 1) begin : g_one
      always_ff @(posedge clk) out <= in && !rst;
    end else begin : g_more
      logic [N-1:0] marks;
      always_ff @(posedge clk) marks <= rst ? '0 : {marks[N-2:0], in};
      assign out = marks[N-1];
    end
  endgenerate
endmodule

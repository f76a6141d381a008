// SPDX-License-Identifier: Apache-2.0
/// \file swm_multiply.sv
/// \brief p = a b, signed, exact; a register for each operand and one for the product, as DSP blocks have them.
///
/// Latency 2. FABRIC = 1 asks for LUTs instead of a DSP block.
module swm_multiply #(
    parameter int WA = 18,
    parameter int WB = 18,
    parameter int FABRIC = 0
) (
    input  logic                    clk,
    input  logic signed [   WA-1:0] a,
    input  logic signed [   WB-1:0] b,
    output logic signed [WA+WB-1:0] p
);
  logic signed [WA-1:0] left;
  logic signed [WB-1:0] right;
  always_ff @(posedge clk) begin
    left <= a;
    right <= b;
  end
  generate
    if (FABRIC != 0) begin : g_fabric
      (* use_dsp = "no" *) logic signed [WA+WB-1:0] product;
      always_ff @(posedge clk) product <= (WA + WB)'(left) * (WA + WB)'(right);
      assign p = product;
    end else begin : g_dsp
      (* use_dsp = "yes" *) logic signed [WA+WB-1:0] product;
      always_ff @(posedge clk) product <= left * right;
      assign p = product;
    end
  endgenerate
endmodule

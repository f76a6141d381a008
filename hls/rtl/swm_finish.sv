// SPDX-License-Identifier: Apache-2.0
/// \file swm_finish.sv
/// \brief The end of a layer for one value: bias, activation, one rounding, saturation (docs/arithmetic.md section 5).
///
/// v = sum + bias, exact; y = saturate(round_shift(v, OUT_SHIFT), OUT), with RELU = 1 of max(v, 0). There is no other
/// activation yet.
///
/// Latency 3: v, rounded, saturated.
module swm_finish #(
    parameter int SUM = 16,       // bits of the sum
    parameter int BIAS = 16,      // and of the bias
    parameter int OUT = 8,
    parameter int OUT_SHIFT = 0,  // binary point of v minus that of y
    parameter int RELU = 0
) (
    input  logic                   clk,
    input  logic signed [ SUM-1:0] sum,
    input  logic signed [BIAS-1:0] bias,
    output logic signed [ OUT-1:0] y
);
  localparam int V = (SUM > BIAS ? SUM : BIAS) + 1;
  logic signed [V-1:0] v;
  always_ff @(posedge clk) v <= V'(sum) + V'(bias);
  swm_round #(.IN(V), .SHIFT(OUT_SHIFT), .OUT(OUT), .RELU(RELU)) u_round (.clk, .v, .y);
endmodule

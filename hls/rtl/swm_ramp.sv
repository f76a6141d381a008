// SPDX-License-Identifier: Apache-2.0
/// \file swm_ramp.sv
/// \brief A multiplication by a constant (docs/arithmetic.md section 5): HardSigmoid, LeakyReLU below zero.
///
/// y = saturate(clip(round_shift(SLOPE z + OFFSET 2^OFFSET_SHIFT, OUT_SHIFT), LOW, HIGH), OUT).
///
/// Latency 5: operand, product, sum, rounded, saturated.
module swm_ramp #(
    parameter int IN = 8,
    parameter int OUT = 8,
    parameter int OUT_SHIFT = 0,
    parameter int SLOPE = 1,
    parameter int SLOPE_BITS = 2,
    parameter int OFFSET = 0,
    parameter int OFFSET_BITS = 1,
    parameter int OFFSET_SHIFT = 0,
    parameter int LOW = 0,
    parameter int HIGH = 0
) (
    input  logic                  clk,
    input  logic signed [ IN-1:0] z,
    output logic signed [OUT-1:0] y
);
  localparam int PRODUCT = IN + SLOPE_BITS;
  localparam int CONSTANT = OFFSET_BITS + OFFSET_SHIFT;
  localparam int BITS = (PRODUCT > CONSTANT ? PRODUCT : CONSTANT) + 1;
  localparam logic signed [BITS-1:0] ADDED = BITS'(OFFSET) <<< OFFSET_SHIFT;
  logic signed [PRODUCT-1:0] product;
  logic signed [BITS-1:0] value;
  swm_multiply #(.WA(IN), .WB(SLOPE_BITS)) u_product (.clk, .a(z), .b(SLOPE_BITS'(SLOPE)), .p(product));
  always_ff @(posedge clk) value <= BITS'(product) + ADDED;
  swm_round #(.IN(BITS), .SHIFT(OUT_SHIFT), .OUT(OUT), .BOUNDED(1), .LOW(LOW), .HIGH(HIGH)) u_round (
      .clk, .v(value), .y);
endmodule

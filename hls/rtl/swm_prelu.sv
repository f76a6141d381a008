// SPDX-License-Identifier: Apache-2.0
/// \file swm_prelu.sv
/// \brief A slope for each channel below zero (docs/arithmetic.md section 6).
///
/// v[c] = x[c] < 0 ? slope[c] x[c] : x[c] 2^SLOPE_FRAC, exact, then one rounding. A beat a cycle; iteration i reads and writes
/// beat i of ceil(N / VEC) a token. A word of the file holds a beat's slopes, the first channel in the lowest bits.
///
/// Latency 7: memory 2, operand, product, chosen, rounded, saturated.
module swm_prelu #(
    parameter int N = 8,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int SLOPE_FRAC = 0,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int VEC = 1,
    parameter WEIGHTS = "",
    parameter int DEPTH = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    in_valid,
    output logic                    in_ready,
    input  logic [ VEC*IN_BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int PRODUCT = IN_BITS + WEIGHT_BITS;
  localparam int V = IN_BITS + (WEIGHT_BITS > SLOPE_FRAC ? WEIGHT_BITS : SLOPE_FRAC);
  localparam int LATENCY = 7;
  logic room, read, push, at_last, last;
  logic [BW-1:0] beat;
  assign in_ready = room;
  assign read = in_valid && room;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last(at_last));
  swm_delay #(.N(LATENCY)) u_last (.clk, .in(at_last), .out(last));

  logic [VEC*IN_BITS-1:0] x, x_late;
  logic [VEC*WEIGHT_BITS-1:0] slope;
  swm_delay #(.WIDTH(VEC * IN_BITS), .N(2)) u_x (.clk, .in(in_data), .out(x));
  swm_delay #(.WIDTH(VEC * IN_BITS), .N(2)) u_late (.clk, .in(x), .out(x_late));
  swm_rom #(.WIDTH(VEC * WEIGHT_BITS), .DEPTH(BEATS), .FILE(WEIGHTS), .LUTRAM(1)) u_slope (
      .clk, .address(beat), .data(slope));

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [PRODUCT-1:0] product;
      logic signed [IN_BITS-1:0] passed;
      logic signed [V-1:0] v;
      logic signed [OUT_BITS-1:0] y;
      swm_multiply #(.WA(IN_BITS), .WB(WEIGHT_BITS)) u_product (
          .clk, .a(x[i*IN_BITS+:IN_BITS]), .b(slope[i*WEIGHT_BITS+:WEIGHT_BITS]), .p(product));
      assign passed = x_late[i*IN_BITS+:IN_BITS];
      always_ff @(posedge clk) v <= passed < 0 ? V'(product) : V'(passed) <<< SLOPE_FRAC;
      swm_round #(.IN(V), .SHIFT(OUT_SHIFT), .OUT(OUT_BITS)) u_round (.clk, .v, .y);
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule

// SPDX-License-Identifier: Apache-2.0
/// \file swm_scale.sv
/// \brief A gain and an offset for each channel, then an activation (docs/arithmetic.md section 6).
///
/// y[c] = activation(gain[c] x[c] + offset[c]). A beat a cycle; iteration i reads and writes beat i of ceil(N / VEC) a token.
/// A word of a file holds a beat's gains or offsets, the first channel in the lowest bits.
///
/// Latency 4 + that of swm_finish (memory 2, operand and product 2).
module swm_scale #(
    parameter int N = 8,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int BIAS_BITS = 16,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter WEIGHTS = "",
    parameter BIAS = "",
    parameter int LUTRAM = 0,
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
  logic room, read, push, at_last, last;
  logic [BW-1:0] beat;
  assign in_ready = room;
  assign read = in_valid && room;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last(at_last));
  swm_delay #(.N(4 + FINISH)) u_last (.clk, .in(at_last), .out(last));

  logic [VEC*IN_BITS-1:0] x;
  logic [VEC*WEIGHT_BITS-1:0] gain;
  logic [VEC*BIAS_BITS-1:0] bias_now, bias;
  swm_delay #(.WIDTH(VEC * IN_BITS), .N(2)) u_x (.clk, .in(in_data), .out(x));
  swm_rom #(.WIDTH(VEC * WEIGHT_BITS), .DEPTH(BEATS), .FILE(WEIGHTS), .LUTRAM(LUTRAM)) u_gain (
      .clk, .address(beat), .data(gain));
  swm_rom #(.WIDTH(VEC * BIAS_BITS), .DEPTH(BEATS), .FILE(BIAS), .LUTRAM(1)) u_bias (
      .clk, .address(beat), .data(bias_now));
  swm_delay #(.WIDTH(VEC * BIAS_BITS), .N(2)) u_late (.clk, .in(bias_now), .out(bias));

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [IN_BITS+WEIGHT_BITS-1:0] product;
      logic signed [OUT_BITS-1:0] y;
      swm_multiply #(.WA(IN_BITS), .WB(WEIGHT_BITS)) u_product (
          .clk, .a(x[i*IN_BITS+:IN_BITS]), .b(gain[i*WEIGHT_BITS+:WEIGHT_BITS]), .p(product));
      swm_finish #(
          .SUM(IN_BITS + WEIGHT_BITS), .BIAS(BIAS_BITS), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(product), .bias(bias[i*BIAS_BITS+:BIAS_BITS]), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(4 + FINISH)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(4 + FINISH)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule

// SPDX-License-Identifier: Apache-2.0
/// \file swm_irfft_unrolled.sv
/// \brief Inverse real transforms of the blocks of a layer's output, K <= 16, then bias, activation, the last rounding.
///
/// An iteration reads one beat of LANES = max(1, OUT_VEC / K) blocks (words in natural order, re below im), transforms them
/// (swm_inverse_block), and writes PARTS = max(1, K / OUT_VEC) beats in as many cycles, but none behind the last output.
/// GROUPS iterations a token.
///
/// Latency from a cycle of an iteration to its beat: 1 + that of swm_inverse_block + that of swm_finish.
module swm_irfft_unrolled #(
    parameter int K = 8,
    parameter int M = 8,
    parameter int SUM_BITS = 16,   // of a part of a word
    parameter int FFT_SHIFTS = 0,
    parameter int BIAS_BITS = 17,
    parameter int OUT_BITS = 12,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int OUT_VEC = 1,
    parameter int GROUPS = 1,
    parameter BIAS = "",
    parameter int DEPTH = 2,
    parameter int LANES = OUT_VEC > K ? OUT_VEC / K : 1
) (
    input  logic                        clk,
    input  logic                        rst,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [LANES*K*SUM_BITS-1:0] in_data,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic [OUT_VEC*OUT_BITS-1:0] out_data
);
  localparam int PARTS = K > OUT_VEC ? K / OUT_VEC : 1;
  localparam int OUT_BEATS = (M + OUT_VEC - 1) / OUT_VEC;
  localparam int LAST_PARTS = OUT_BEATS - (GROUPS - 1) * PARTS;  // beats that the last iteration of a token has
  localparam int TAIL = M - (OUT_BEATS - 1) * OUT_VEC;           // values of the last beat
  localparam int PW = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int GW = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int WY = SUM_BITS + 1 + FFT_SHIFTS;
  localparam int BLOCK = K == 2 ? 1 : 2 + 4 * ($clog2(K) - 2);
  localparam int S = 1 + BLOCK;  // where the values stand
  localparam int BW = OUT_BEATS > 1 ? $clog2(OUT_BEATS) : 1;

  logic room, first, last_part, last_group, writes, ready, fires, leave, push;
  logic [PW-1:0] part;
  logic [GW-1:0] unused_group;
  assign first = part == '0;
  assign writes = !last_group || 32'(part) < LAST_PARTS;
  assign ready = room || !writes;
  assign in_ready = first && ready;
  assign fires = ready && (in_valid || !first);
  swm_counter #(.N(PARTS)) u_part (.clk, .rst, .step(fires), .at(part), .last(last_part));
  swm_counter #(.N(GROUPS)) u_group (.clk, .rst, .step(fires && last_part), .at(unused_group), .last(last_group));

  logic [LANES*K*SUM_BITS-1:0] sums;
  logic [LANES*K*WY-1:0] y, values;
  always_ff @(posedge clk) sums <= in_data;
  genvar i;
  generate
    for (i = 0; i < LANES; i = i + 1) begin : g_lane
      swm_inverse_block #(.K(K), .A(SUM_BITS), .SHIFTS(FFT_SHIFTS)) u_block (
          .clk, .a(sums[i*K*SUM_BITS+:K*SUM_BITS]), .y(y[i*K*WY+:K*WY]));
    end
    if (PARTS == 1) begin : g_at_once
      assign values = y;
    end else begin : g_parts
      // A block stays until its last part has left; parts follow at any distance.
      logic at, at_first;
      logic [K*WY-1:0] rest;
      swm_valid #(.N(S)) u_at (.clk, .rst, .in(fires), .out(at));
      swm_delay #(.N(S)) u_first (.clk, .in(first), .out(at_first));
      assign values = at_first ? y : rest;
      always_ff @(posedge clk) if (at) rest <= values >> (OUT_VEC * WY);
    end
  endgenerate

  logic bias_step, bias_last, last;
  logic [BW-1:0] beat;  // of the token, two cycles ahead of the values
  logic [OUT_VEC*BIAS_BITS-1:0] bias;
  logic [OUT_VEC*OUT_BITS-1:0] value;
  swm_valid #(.N(S - 2)) u_bias_step (.clk, .rst, .in(fires && writes), .out(bias_step));
  swm_counter #(.N(OUT_BEATS)) u_beat (.clk, .rst, .step(bias_step), .at(beat), .last(bias_last));
  swm_delay #(.N(2 + FINISH)) u_last (.clk, .in(bias_last), .out(last));
  swm_rom #(.WIDTH(OUT_VEC * BIAS_BITS), .DEPTH(OUT_BEATS), .FILE(BIAS), .LUTRAM(1)) u_bias (
      .clk, .address(beat), .data(bias));
  generate
    for (i = 0; i < OUT_VEC; i = i + 1) begin : g_value
      logic signed [OUT_BITS-1:0] result;
      swm_finish #(
          .SUM(WY), .BIAS(BIAS_BITS), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(values[i*WY+:WY]), .bias(bias[i*BIAS_BITS+:BIAS_BITS]), .y(result));
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= TAIL ? '0 : result;
    end
  endgenerate
  assign leave = fires && writes;
  swm_valid #(.N(S + FINISH)) u_push (.clk, .rst, .in(leave), .out(push));
  swm_fifo #(.WIDTH(OUT_VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(S + FINISH)) u_out (
      .clk, .rst, .reserve(leave), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_group};
endmodule

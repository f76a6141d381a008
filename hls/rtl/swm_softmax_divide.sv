// SPDX-License-Identifier: Apache-2.0
/// \file swm_softmax_divide.sv
/// \brief Softmax, the last of its processes where quotients are exact: each power over its token's sum.
///
/// v = (power 2^QUOTIENT_FRAC + floor(total / 2)) / total, rounded down, then the end of every layer (docs/arithmetic.md section 6).
/// A beat a cycle, ceil(N / VEC) a token; iteration i reads beat i of the powers (input 1), the first of a token its sum (input
/// 0), too, and writes beat i. No power is above its sum, so a quotient has QUOTIENT_FRAC + 1 bits.
///
/// Latency 3 + QUOTIENT_FRAC + that of swm_finish: taken, numerator, a bit of the quotient each (swm_divide).
module swm_softmax_divide #(
    parameter int N = 8,
    parameter int POWER_BITS = 12,
    parameter int TOTAL_BITS = 15,
    parameter int QUOTIENT_FRAC = 11,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter int DEPTH = 2
) (
    input  logic                                 clk,
    input  logic                                 rst,
    input  logic [                          1:0] in_valid,
    output logic [                          1:0] in_ready,
    input  logic [VEC*POWER_BITS+TOTAL_BITS-1:0] in_data,
    output logic                                 out_valid,
    input  logic                                 out_ready,
    output logic [             VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int LATENCY = 3 + QUOTIENT_FRAC + FINISH;
  localparam int SHIFTED = POWER_BITS + QUOTIENT_FRAC;
  localparam int NUMERATOR = (SHIFTED > TOTAL_BITS ? SHIFTED : TOTAL_BITS) + 1;
  localparam int VALUE = QUOTIENT_FRAC + 3;
  logic room, first, last, read, tail, push;
  logic [BW-1:0] beat;
  assign first = beat == '0;
  assign read = in_valid[1] && room && (in_valid[0] || !first);
  assign in_ready = {read, read && first};
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last);
  swm_delay #(.N(LATENCY)) u_tail (.clk, .in(last), .out(tail));

  logic [VEC*POWER_BITS-1:0] powers;
  logic [TOTAL_BITS-1:0] total, total_late;  // of the token, along with its beats
  always_ff @(posedge clk) begin
    if (read && first) total <= in_data[0+:TOTAL_BITS];
    powers <= in_data[TOTAL_BITS+:VEC*POWER_BITS];
    total_late <= total;
  end
  logic [VEC*NUMERATOR-1:0] numerators;
  logic [VEC*(QUOTIENT_FRAC+1)-1:0] quotients;
  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_numerator
      always_ff @(posedge clk)
        numerators[i*NUMERATOR+:NUMERATOR] <= (NUMERATOR'(powers[i*POWER_BITS+:POWER_BITS]) << QUOTIENT_FRAC)
            + NUMERATOR'(total[TOTAL_BITS-1:1]);
    end
  endgenerate
  swm_divide #(.N(VEC), .NUMERATOR(NUMERATOR), .DIVISOR(TOTAL_BITS), .QUOTIENT(QUOTIENT_FRAC + 1)) u_divide (
      .clk, .numerators, .divisor(total_late), .quotients);
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [OUT_BITS-1:0] y;
      swm_finish #(
          .SUM(VALUE), .BIAS(2), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (
          .clk, .sum($signed(VALUE'(quotients[i*(QUOTIENT_FRAC+1)+:QUOTIENT_FRAC+1]))), .bias('0), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = tail && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule

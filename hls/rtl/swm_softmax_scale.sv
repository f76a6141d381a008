// SPDX-License-Identifier: Apache-2.0
/// \file swm_softmax_scale.sv
/// \brief Softmax, the last of its processes: each power times the reciprocal of its token's sum (docs/arithmetic.md section 6).
///
/// v = round(power reciprocal / 2^(FRAC + h - QUOTIENT_FRAC)), then the end of every layer. A beat a cycle, ceil(N / VEC) a
/// token; iteration i reads beat i of the powers (input 1), the first of a token its reciprocal and h (input 0), too, and writes beat i.
/// The largest power of a token is 1 but for its rounding, so h is at least POWER_BITS - 3: so far the shift is wiring.
///
/// Latency 5 + that of swm_finish: taken, operand, product, half added, shifted.
module swm_softmax_scale #(
    parameter int N = 8,
    parameter int POWER_BITS = 12,
    parameter int TOTAL_BITS = 15,
    parameter int FACTOR_BITS = 13,
    parameter int FRAC = 11,
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
    input  logic                                    clk,
    input  logic                                    rst,
    input  logic [                             1:0] in_valid,
    output logic [                             1:0] in_ready,
    input  logic [VEC*POWER_BITS+2*FACTOR_BITS-1:0] in_data,
    output logic                                    out_valid,
    input  logic                                    out_ready,
    output logic [                VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int LATENCY = 5 + FINISH;
  localparam int RECIPROCAL = FRAC + 2;
  localparam int PRODUCT = POWER_BITS + RECIPROCAL;
  localparam int LEAST = FRAC - QUOTIENT_FRAC + POWER_BITS - 3;   // the shift, of the least h
  localparam int MORE = TOTAL_BITS - POWER_BITS + 2;              // more than that, at most
  localparam int MW = $clog2(MORE + 1);
  localparam int HW = $clog2(TOTAL_BITS);
  localparam int WIDE = (PRODUCT > LEAST + MORE ? PRODUCT : LEAST + MORE) + 1;  // half of the last bit fits, too
  localparam int VALUE = QUOTIENT_FRAC + 3;
  logic room, first, last, read, tail, push;
  logic [BW-1:0] beat;
  assign first = beat == '0;
  assign read = in_valid[1] && room && (in_valid[0] || !first);
  assign in_ready = {read, read && first};
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last);
  swm_delay #(.N(LATENCY)) u_tail (.clk, .in(last), .out(tail));

  // Reciprocal and shift of the token, along with its beats.
  logic [VEC*POWER_BITS-1:0] powers;
  logic signed [RECIPROCAL-1:0] reciprocal;
  logic [MW-1:0] more, more_half, more_late;
  logic signed [WIDE-1:0] half;
  always_ff @(posedge clk) begin
    if (read && first) begin
      reciprocal <= in_data[0+:RECIPROCAL];
      more <= MW'(in_data[FACTOR_BITS+:HW] - HW'(POWER_BITS - 3));
    end
    powers <= in_data[2*FACTOR_BITS+:VEC*POWER_BITS];
    half <= $signed((WIDE'(1) << (LEAST - 1)) << more_half);
  end
  swm_delay #(.WIDTH(MW), .N(1)) u_more_half (.clk, .in(more), .out(more_half));
  swm_delay #(.WIDTH(MW), .N(2)) u_more (.clk, .in(more_half), .out(more_late));

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [PRODUCT-1:0] product;
      logic signed [WIDE-1:0] rounded;
      logic signed [VALUE-1:0] quotient;
      logic signed [OUT_BITS-1:0] y;
      swm_multiply #(.WA(POWER_BITS), .WB(RECIPROCAL)) u_product (
          .clk, .a(powers[i*POWER_BITS+:POWER_BITS]), .b(reciprocal), .p(product));
      always_ff @(posedge clk) begin
        rounded <= WIDE'(product) + half;
        quotient <= VALUE'((rounded >>> LEAST) >>> more_late);
      end
      swm_finish #(
          .SUM(VALUE), .BIAS(2), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(quotient), .bias('0), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = tail && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, in_data[2*FACTOR_BITS-1:0]};
endmodule

// SPDX-License-Identifier: Apache-2.0
/// \file swm_depthwise.sv
/// \brief A depthwise convolution behind its line buffer (swm_window): each channel with a kernel of its own.
///
/// acc[c] = sum over taps t of w[t][c] x[t][c], exact; then bias, activation, one rounding (docs/arithmetic.md section 6).
/// A beat a cycle, TAPS taps of VEC channels; GROUPS beats are all taps of these channels, and the last of them writes.
///
/// A word of the weights' file holds a cycle's, lane tap * VEC + channel, lane 0 in the lowest bits; words run over beats of
/// channels, then groups of taps. FABRIC: products in LUTs.
///
/// Latency from that beat to what it writes: 5 + log2 TAPS (memory 2, operand and product 2, adder tree, accumulator), then
/// that of swm_finish.
module swm_depthwise #(
    parameter int N = 4,
    parameter int VEC = 1,
    parameter int TAPS = 1,
    parameter int GROUPS = 9,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int BIAS_BITS = 20,
    parameter int ACC = 20,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int FABRIC = 0,
    parameter WEIGHTS = "",
    parameter BIAS = "",
    parameter int LUTRAM = 0,
    parameter int DEPTH = 2
) (
    input  logic                        clk,
    input  logic                        rst,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [TAPS*VEC*IN_BITS-1:0] in_data,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic [    VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int TAIL = N - (BEATS - 1) * VEC;
  localparam int PERIOD = BEATS * GROUPS;
  localparam int PRODUCT = WEIGHT_BITS + IN_BITS;
  localparam int T = $clog2(TAPS);
  localparam int A = 5 + T;
  localparam int LANES = TAPS * VEC;
  localparam int GW = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int AW = PERIOD > 1 ? $clog2(PERIOD) : 1;

  logic read, room, ends, group_last, unused_address_last, push, add, start;
  logic [GW-1:0] group;
  logic [AW-1:0] address;
  assign in_ready = room || !group_last;
  assign read = in_valid && in_ready;
  assign ends = read && group_last;
  swm_counter #(.N(GROUPS)) u_group (.clk, .rst, .step(read), .at(group), .last(group_last));
  swm_counter #(.N(PERIOD)) u_address (.clk, .rst, .step(read), .at(address), .last(unused_address_last));
  swm_valid #(.N(A - 1)) u_add (.clk, .rst, .in(read), .out(add));
  swm_delay #(.N(A - 1)) u_start (.clk, .in(group == '0), .out(start));

  logic [LANES*IN_BITS-1:0] x;
  logic [LANES*WEIGHT_BITS-1:0] w;
  swm_delay #(.WIDTH(LANES * IN_BITS), .N(2)) u_x (.clk, .in(in_data), .out(x));
  swm_rom #(.WIDTH(LANES * WEIGHT_BITS), .DEPTH(PERIOD), .FILE(WEIGHTS), .LUTRAM(LUTRAM)) u_weights (
      .clk, .address, .data(w));

  logic set_step, set_last, last;
  logic [BW-1:0] set;  // beat of the token, two cycles ahead of the sums
  logic [VEC*BIAS_BITS-1:0] bias;
  swm_valid #(.N(A - 2)) u_set_step (.clk, .rst, .in(ends), .out(set_step));
  swm_counter #(.N(BEATS)) u_set (.clk, .rst, .step(set_step), .at(set), .last(set_last));
  swm_delay #(.N(2 + FINISH)) u_last (.clk, .in(set_last), .out(last));
  swm_rom #(.WIDTH(VEC * BIAS_BITS), .DEPTH(BEATS), .FILE(BIAS), .LUTRAM(1)) u_bias (.clk, .address(set), .data(bias));

  logic [VEC*OUT_BITS-1:0] value;
  genvar i, t;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_channel
      logic [TAPS*PRODUCT-1:0] products;
      logic signed [PRODUCT+T-1:0] sum;
      logic signed [ACC-1:0] total;
      logic signed [OUT_BITS-1:0] y;
      for (t = 0; t < TAPS; t = t + 1) begin : g_tap
        localparam int LANE = t * VEC + i;
        swm_multiply #(.WA(IN_BITS), .WB(WEIGHT_BITS), .FABRIC(FABRIC)) u_product (
            .clk, .a(x[LANE*IN_BITS+:IN_BITS]), .b(w[LANE*WEIGHT_BITS+:WEIGHT_BITS]), .p(products[t*PRODUCT+:PRODUCT]));
      end
      swm_sum #(.N(TAPS), .WIDTH(PRODUCT)) u_sum (.clk, .in(products), .sum);
      always_ff @(posedge clk) if (add) total <= (start ? '0 : total) + ACC'(sum);
      swm_finish #(
          .SUM(ACC), .BIAS(BIAS_BITS), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(total), .bias(bias[i*BIAS_BITS+:BIAS_BITS]), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= TAIL ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(A + FINISH)) u_push (.clk, .rst, .in(ends), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(A + FINISH)) u_out (
      .clk, .rst, .reserve(ends), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_address_last};
endmodule

// SPDX-License-Identifier: Apache-2.0
/// \file swm_layernorm_sums.sv
/// \brief Layer normalisation, the first of three: sum(x) and sum(x^2) of each token, exact (docs/arithmetic.md section 6).
///
/// A beat a cycle, ceil(N / VEC) a token; iteration i passes beat i on to the stream of the token (output 0) and writes both sums
/// (output 1: sum(x), sum(x^2), SUM_BITS each) with the last beat of a token. Places beyond N do not count. With MEAN_FREE, in all
/// three processes, sum(x) is taken for 0: an RMS normalisation.
///
/// Latency 3 + log2 VEC, of both outputs: operand, product, adder tree, accumulator.
module swm_layernorm_sums #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int SUM_BITS = 19,
    parameter int MEAN_FREE = 0,
    parameter int VEC = 1,
    parameter logic [63:0] DEPTHS = {2{32'd2}}
) (
    input  logic                           clk,
    input  logic                           rst,
    input  logic                           in_valid,
    output logic                           in_ready,
    input  logic [           VEC*BITS-1:0] in_data,
    output logic [                    1:0] out_valid,
    input  logic [                    1:0] out_ready,
    output logic [2*SUM_BITS+VEC*BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int T = $clog2(VEC);
  localparam int LATENCY = 3 + T;
  logic token_room, sums_room, read, last, first, add, first_late, push, push_sums;
  logic [BW-1:0] beat;
  assign in_ready = token_room && (sums_room || !last);
  assign read = in_valid && in_ready;
  assign first = beat == '0;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last);

  logic [VEC*BITS-1:0] counted, passed, token;
  logic [VEC*2*BITS-1:0] squares;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_lane
      logic [BITS-1:0] x;
      assign x = last && i >= N - (BEATS - 1) * VEC ? '0 : in_data[i*BITS+:BITS];
      assign counted[i*BITS+:BITS] = x;
      swm_multiply #(.WA(BITS), .WB(BITS)) u_square (.clk, .a(x), .b(x), .p(squares[i*2*BITS+:2*BITS]));
    end
  endgenerate
  logic signed [BITS+T-1:0] more;
  logic signed [2*BITS+T-1:0] more_squares;
  swm_delay #(.WIDTH(VEC * BITS), .N(2)) u_passed (.clk, .in(counted), .out(passed));
  swm_sum #(.N(VEC), .WIDTH(BITS)) u_more (.clk, .in(passed), .sum(more));
  swm_sum #(.N(VEC), .WIDTH(2 * BITS)) u_more_squares (.clk, .in(squares), .sum(more_squares));

  logic signed [SUM_BITS-1:0] plain, squared;
  swm_valid #(.N(2 + T)) u_add (.clk, .rst, .in(read), .out(add));
  swm_delay #(.N(2 + T)) u_first (.clk, .in(first), .out(first_late));
  always_ff @(posedge clk) begin
    if (add) begin
      plain <= MEAN_FREE != 0 ? '0 : (first_late ? '0 : plain) + SUM_BITS'(more);
      squared <= (first_late ? '0 : squared) + SUM_BITS'(more_squares);
    end
  end

  swm_delay #(.WIDTH(VEC * BITS), .N(LATENCY)) u_token (.clk, .in(in_data), .out(token));
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_valid #(.N(LATENCY)) u_push_sums (.clk, .rst, .in(read && last), .out(push_sums));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(32'(DEPTHS[31:0])), .PIPELINE(LATENCY)) u_tokens (
      .clk, .rst, .reserve(read), .room(token_room), .push, .in_data(token), .out_valid(out_valid[0]),
      .out_ready(out_ready[0]), .out_data(out_data[VEC*BITS-1:0]));
  swm_fifo #(.WIDTH(2 * SUM_BITS), .DEPTH(32'(DEPTHS[63:32])), .PIPELINE(LATENCY)) u_sums (
      .clk, .rst, .reserve(read && last), .room(sums_room), .push(push_sums), .in_data({squared, plain}),
      .out_valid(out_valid[1]), .out_ready(out_ready[1]), .out_data(out_data[VEC*BITS+:2*SUM_BITS]));
endmodule

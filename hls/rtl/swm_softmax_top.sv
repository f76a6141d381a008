// SPDX-License-Identifier: Apache-2.0
/// \file swm_softmax_top.sv
/// \brief Softmax, the first of its processes: the maximum of each token (docs/arithmetic.md section 6).
///
/// A beat a cycle, ceil(N / VEC) a token; iteration i passes beat i on to the stream of the token (output 0) and writes the
/// maximum (output 1) with the last beat of a token. Places beyond N do not count.
///
/// Latency 1 + log2 VEC, of both outputs: tree, running maximum.
module swm_softmax_top #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter logic [63:0] DEPTHS = {2{32'd2}}
) (
    input  logic                     clk,
    input  logic                     rst,
    input  logic                     in_valid,
    output logic                     in_ready,
    input  logic [     VEC*BITS-1:0] in_data,
    output logic [              1:0] out_valid,
    input  logic [              1:0] out_ready,
    output logic [(VEC+1)*BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int T = $clog2(VEC);
  localparam int LATENCY = 1 + T;
  logic token_room, top_room, read, last, first, taken, first_late, push, push_top;
  logic [BW-1:0] beat;
  assign in_ready = token_room && (top_room || !last);
  assign read = in_valid && in_ready;
  assign first = beat == '0;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last);

  logic [VEC*BITS-1:0] counted, token;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_lane
      assign counted[i*BITS+:BITS] = last && i >= N - (BEATS - 1) * VEC ? in_data[0+:BITS] : in_data[i*BITS+:BITS];
    end
  endgenerate
  logic signed [BITS-1:0] here, best;
  swm_greatest #(.N(VEC), .WIDTH(BITS)) u_here (.clk, .in(counted), .greatest(here));
  swm_valid #(.N(T)) u_taken (.clk, .rst, .in(read), .out(taken));
  swm_delay #(.N(T)) u_first (.clk, .in(first), .out(first_late));
  always_ff @(posedge clk) if (taken) best <= first_late || here > best ? here : best;

  swm_delay #(.WIDTH(VEC * BITS), .N(LATENCY)) u_token (.clk, .in(in_data), .out(token));
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_valid #(.N(LATENCY)) u_push_top (.clk, .rst, .in(read && last), .out(push_top));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(32'(DEPTHS[31:0])), .PIPELINE(LATENCY)) u_tokens (
      .clk, .rst, .reserve(read), .room(token_room), .push, .in_data(token), .out_valid(out_valid[0]),
      .out_ready(out_ready[0]), .out_data(out_data[VEC*BITS-1:0]));
  swm_fifo #(.WIDTH(BITS), .DEPTH(32'(DEPTHS[63:32])), .PIPELINE(LATENCY)) u_tops (
      .clk, .rst, .reserve(read && last), .room(top_room), .push(push_top), .in_data(best), .out_valid(out_valid[1]),
      .out_ready(out_ready[1]), .out_data(out_data[VEC*BITS+:BITS]));
endmodule

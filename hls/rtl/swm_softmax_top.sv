// SPDX-License-Identifier: Apache-2.0
/// \file swm_softmax_top.sv
/// \brief Softmax, the first of its processes: the maximum of each token (docs/arithmetic.md section 6).
///
/// A beat a cycle, ceil(N / VEC) a token; iteration i passes beat i on to the stream of the token (output 0) and writes the
/// maximum (output 1) with the last beat of a token. Places beyond N do not count.
///
/// With a mask (MASK_ROWS above 0) some values do not count either: they pass on as the lowest of TOKEN = BITS + 1 bits. A word
/// of the file holds a bit a value of a beat, 1 where it is hidden; rows as swm_row_walk has them.
///
/// Latency 1 + log2 VEC, of both outputs: tree, running maximum; 2 more with a mask (memory).
module swm_softmax_top #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int MASK_ROWS = 0,
    parameter int MASK_EACH = 1,
    parameter MASK = "",
    parameter int LUTRAM = 0,
    parameter int TOKEN = MASK_ROWS > 0 ? BITS + 1 : BITS,
    parameter logic [63:0] DEPTHS = {2{32'd2}}
) (
    input  logic                     clk,
    input  logic                     rst,
    input  logic                     in_valid,
    output logic                     in_ready,
    input  logic [     VEC*BITS-1:0] in_data,
    output logic [              1:0] out_valid,
    input  logic [              1:0] out_ready,
    output logic [VEC*TOKEN+BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int T = $clog2(VEC);
  localparam int SEEN = MASK_ROWS > 0 ? 2 : 0;  // until a value and its bit of the mask stand
  localparam int LATENCY = SEEN + 1 + T;
  logic token_room, top_room, read, last, last_late, first, taken, first_late, push, push_top;
  logic [BW-1:0] beat;
  assign in_ready = token_room && (top_room || !last);
  assign read = in_valid && in_ready;
  assign first = beat == '0;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last);

  logic [VEC*BITS-1:0] x, open, counted;  // `open`: hidden values are the lowest
  logic [VEC*TOKEN-1:0] seen, token;
  genvar i;
  generate
    if (MASK_ROWS > 0) begin : g_mask
      localparam int AW = MASK_ROWS * BEATS > 1 ? $clog2(MASK_ROWS * BEATS) : 1;
      logic [AW-1:0] place;
      logic unused_last;
      logic [VEC-1:0] hidden;
      swm_row_walk #(.BEATS(BEATS), .EACH(MASK_EACH), .ROWS(MASK_ROWS)) u_place (
          .clk, .rst, .step(read), .at(place), .last(unused_last));
      swm_rom #(.WIDTH(VEC), .DEPTH(MASK_ROWS * BEATS), .FILE(MASK), .LUTRAM(LUTRAM)) u_mask (
          .clk, .address(place), .data(hidden));
      for (i = 0; i < VEC; i = i + 1) begin : g_seen
        assign open[i*BITS+:BITS] = hidden[i] ? {1'b1, {(BITS - 1) {1'b0}}} : x[i*BITS+:BITS];
        assign seen[i*TOKEN+:TOKEN] = hidden[i] ? {1'b1, {BITS{1'b0}}} : {x[i*BITS+BITS-1], x[i*BITS+:BITS]};
      end
    end else begin : g_all
      assign open = x;
      assign seen = x;
    end
    for (i = 0; i < VEC; i = i + 1) begin : g_lane
      assign counted[i*BITS+:BITS] = last_late && i >= N - (BEATS - 1) * VEC ? open[0+:BITS] : open[i*BITS+:BITS];
    end
  endgenerate
  swm_delay #(.WIDTH(VEC * BITS), .N(SEEN)) u_x (.clk, .in(in_data), .out(x));
  swm_delay #(.N(SEEN)) u_last (.clk, .in(last), .out(last_late));
  logic signed [BITS-1:0] here, best;
  swm_greatest #(.N(VEC), .WIDTH(BITS)) u_here (.clk, .in(counted), .greatest(here));
  swm_valid #(.N(SEEN + T)) u_taken (.clk, .rst, .in(read), .out(taken));
  swm_delay #(.N(SEEN + T)) u_first (.clk, .in(first), .out(first_late));
  always_ff @(posedge clk) if (taken) best <= first_late || here > best ? here : best;

  swm_delay #(.WIDTH(VEC * TOKEN), .N(1 + T)) u_token (.clk, .in(seen), .out(token));
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_valid #(.N(LATENCY)) u_push_top (.clk, .rst, .in(read && last), .out(push_top));
  swm_fifo #(.WIDTH(VEC * TOKEN), .DEPTH(32'(DEPTHS[31:0])), .PIPELINE(LATENCY)) u_tokens (
      .clk, .rst, .reserve(read), .room(token_room), .push, .in_data(token), .out_valid(out_valid[0]),
      .out_ready(out_ready[0]), .out_data(out_data[VEC*TOKEN-1:0]));
  swm_fifo #(.WIDTH(BITS), .DEPTH(32'(DEPTHS[63:32])), .PIPELINE(LATENCY)) u_tops (
      .clk, .rst, .reserve(read && last), .room(top_room), .push(push_top), .in_data(best), .out_valid(out_valid[1]),
      .out_ready(out_ready[1]), .out_data(out_data[VEC*TOKEN+:BITS]));
endmodule

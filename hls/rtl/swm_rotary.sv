// SPDX-License-Identifier: Apache-2.0
/// \file swm_rotary.sv
/// \brief Rotary position embeddings: y[c] = activation(x[c] cosine[c] + x[partner of c] sine[c]), constants by position.
///
/// Channels c and c + HALF of each group of 2 HALF channels are partners. A beat that leaves a cycle. Where a beat holds pairs
/// (VEC >= N, or 2 HALF divides VEC) iteration i reads and writes beat i of ceil(N / VEC) a token; else VEC divides HALF, and a
/// group is written into one half of a memory while the one before it is read from the other half (swm_block_walk). A word of
/// a file holds a beat's constants, the first channel in the lowest bits; rows as swm_row_walk has them.
///
/// Latency 4 + that of swm_finish (memory 2, operand and product 2), of groups from the last beat in to the first one out.
module swm_rotary #(
    parameter int N = 8,
    parameter int HALF = 4,
    parameter int ROWS = 1,
    parameter int EACH = 1,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter COSINES = "",
    parameter SINES = "",
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
  localparam int WORDS = ROWS * BEATS;
  localparam int AW = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int LATENCY = 4 + FINISH;
  localparam int PRODUCT = IN_BITS + WEIGHT_BITS;

  logic room, fires, push, at_last, last;
  logic [AW-1:0] place;
  swm_row_walk #(.BEATS(BEATS), .EACH(EACH), .ROWS(ROWS)) u_place (.clk, .rst, .step(fires), .at(place), .last(at_last));
  swm_delay #(.N(LATENCY)) u_last (.clk, .in(at_last), .out(last));

  logic [VEC*IN_BITS-1:0] x, partner;
  genvar i;
  generate
    if (VEC >= N || VEC % (2 * HALF) == 0) begin : g_beat
      assign in_ready = room;
      assign fires = in_valid && room;
      swm_delay #(.WIDTH(VEC * IN_BITS), .N(2)) u_x (.clk, .in(in_data), .out(x));
      for (i = 0; i < VEC; i = i + 1) begin : g_partner
        localparam int OTHER = (i / HALF) % 2 == 1 ? i - HALF : i + HALF;
        localparam int THERE = OTHER < VEC ? OTHER : i;  // surplus values of a token that is one beat have none
        assign partner[i*IN_BITS+:IN_BITS] = x[THERE*IN_BITS+:IN_BITS];
      end
    end else begin : g_group
      localparam int PAIRS = HALF / VEC;
      localparam int GW = $clog2(2 * PAIRS);
      logic load, load_half, emit_half, load_above, emit_above, above;
      logic [GW-1:0] load_at, emit_at, to, from;
      logic [VEC*IN_BITS-1:0] lower, upper;
      swm_block_walk #(.LOADS(2 * PAIRS), .EMITS(2 * PAIRS), .LW(GW), .EW(GW)) u_walk (
          .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at, .room, .emit(fires), .emit_half,
          .emit_at);
      assign load_above = load_at >= GW'(PAIRS);
      assign emit_above = emit_at >= GW'(PAIRS);
      assign to = (load_half ? GW'(PAIRS) : '0) + (load_above ? load_at - GW'(PAIRS) : load_at);
      assign from = (emit_half ? GW'(PAIRS) : '0) + (emit_above ? emit_at - GW'(PAIRS) : emit_at);
      swm_ram #(.WIDTH(VEC * IN_BITS), .DEPTH(2 * PAIRS)) u_lower (
          .clk, .write(load && !load_above), .to, .value(in_data), .from, .data(lower));
      swm_ram #(.WIDTH(VEC * IN_BITS), .DEPTH(2 * PAIRS)) u_upper (
          .clk, .write(load && load_above), .to, .value(in_data), .from, .data(upper));
      swm_delay #(.N(2)) u_above (.clk, .in(emit_above), .out(above));
      assign x = above ? upper : lower;
      assign partner = above ? lower : upper;
    end
  endgenerate

  logic [VEC*WEIGHT_BITS-1:0] cosine, sine;
  swm_rom #(.WIDTH(VEC * WEIGHT_BITS), .DEPTH(WORDS), .FILE(COSINES), .LUTRAM(LUTRAM)) u_cosine (
      .clk, .address(place), .data(cosine));
  swm_rom #(.WIDTH(VEC * WEIGHT_BITS), .DEPTH(WORDS), .FILE(SINES), .LUTRAM(LUTRAM)) u_sine (
      .clk, .address(place), .data(sine));
  logic [VEC*OUT_BITS-1:0] value;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [PRODUCT-1:0] one, two;
      logic signed [OUT_BITS-1:0] y;
      swm_multiply #(.WA(IN_BITS), .WB(WEIGHT_BITS)) u_one (
          .clk, .a(x[i*IN_BITS+:IN_BITS]), .b(cosine[i*WEIGHT_BITS+:WEIGHT_BITS]), .p(one));
      swm_multiply #(.WA(IN_BITS), .WB(WEIGHT_BITS)) u_two (
          .clk, .a(partner[i*IN_BITS+:IN_BITS]), .b(sine[i*WEIGHT_BITS+:WEIGHT_BITS]), .p(two));
      swm_finish #(
          .SUM(PRODUCT), .BIAS(PRODUCT), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(one), .bias(two), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(fires), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(fires), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule

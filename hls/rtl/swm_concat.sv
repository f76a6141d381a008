// SPDX-License-Identifier: Apache-2.0
/// \file swm_concat.sv
/// \brief Tensors one after the other along the channels, each brought to the binary point of the output.
///
/// y = saturate(round_shift(x, shift of the input), OUT_BITS); one swm_round an input and lane. A beat a cycle; an iteration
/// reads the next beat of the input whose turn it is and writes it: BEATS[0] beats of input 0, then BEATS[1] of input 1, ...
/// Ports of all inputs lie side by side, input 0 lowest; lists have 32 bits an entry, that of input 0 lowest.
///
/// Latency 3 (rounded, saturated, chosen).
module swm_concat #(
    parameter int INPUTS = 2,
    parameter int VEC = 1,
    parameter int OUT_BITS = 8,
    parameter logic [INPUTS*32-1:0] CHANNELS = {INPUTS{32'd4}},
    parameter logic [INPUTS*32-1:0] IN_BITS = {INPUTS{32'd8}},
    parameter logic [INPUTS*32-1:0] IN_SHIFTS = '0,
    parameter int ALL_BITS = INPUTS * 8,  // sum of IN_BITS
    parameter int DEPTH = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic [      INPUTS-1:0] in_valid,
    output logic [      INPUTS-1:0] in_ready,
    input  logic [VEC*ALL_BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [VEC*OUT_BITS-1:0] out_data
);
  localparam int IW = INPUTS > 1 ? $clog2(INPUTS) : 1;
  // Bits of the inputs below input n.
  function automatic integer below(input integer n);
    integer j;
    begin
      below = 0;
      for (j = 0; j < n; j = j + 1) below = below + IN_BITS[j*32+:32];
    end
  endfunction

  logic room, read, push, unused_which_last;
  logic [IW-1:0] which, chosen;
  logic [INPUTS-1:0] last;  // beat of each input
  assign read = in_valid[which] && room;
  swm_counter #(.N(INPUTS)) u_which (.clk, .rst, .step(read && last[which]), .at(which), .last(unused_which_last));
  swm_delay #(.WIDTH(IW), .N(2)) u_chosen (.clk, .in(which), .out(chosen));

  logic [INPUTS*VEC*OUT_BITS-1:0] moved;
  genvar n, i;
  generate
    for (n = 0; n < INPUTS; n = n + 1) begin : g_input
      localparam int BITS = 32'(IN_BITS[n*32+:32]);
      localparam int SIZE = 32'(CHANNELS[n*32+:32]);
      localparam int BEATS = (SIZE + VEC - 1) / VEC;
      localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
      localparam int BASE = VEC * below(n);
      logic late;
      logic [BW-1:0] unused_beat;
      logic mine;
      assign mine = read && 32'(which) == n;
      assign in_ready[n] = mine;
      swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(mine), .at(unused_beat), .last(last[n]));
      swm_delay #(.N(2)) u_late (.clk, .in(last[n]), .out(late));
      for (i = 0; i < VEC; i = i + 1) begin : g_value
        logic [OUT_BITS-1:0] y;
        swm_round #(.IN(BITS), .SHIFT($signed(IN_SHIFTS[n*32+:32])), .OUT(OUT_BITS)) u_round (
            .clk, .v(in_data[BASE+i*BITS+:BITS]), .y(y));
        assign moved[(n*VEC+i)*OUT_BITS+:OUT_BITS] = late && i >= SIZE - (BEATS - 1) * VEC ? '0 : y;
      end
      logic unused;
      assign unused = &{1'b0, unused_beat};
    end
  endgenerate
  logic [VEC*OUT_BITS-1:0] value;
  always_ff @(posedge clk) value <= moved[32'(chosen)*VEC*OUT_BITS+:VEC*OUT_BITS];
  swm_valid #(.N(3)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(3)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_which_last};
endmodule

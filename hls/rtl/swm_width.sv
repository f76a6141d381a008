// SPDX-License-Identifier: Apache-2.0
/// \file swm_width.sv
/// \brief Beats of IN_VEC values become beats of OUT_VEC values, powers of two.
///
/// An iteration moves a beat of the narrow side, ceil(N / narrow) a token. Widening: iteration i reads beat i, and writes if it
/// completes a beat or ends the token (the rest is zero). Narrowing: iteration i writes beat i, and reads one every IN_VEC / OUT_VEC
/// iterations of a token.
///
/// Latency 1.
module swm_width #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int IN_VEC = 1,
    parameter int OUT_VEC = 2,
    parameter int DEPTH = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    in_valid,
    output logic                    in_ready,
    input  logic [ IN_VEC*BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [OUT_VEC*BITS-1:0] out_data
);
  localparam int WIDENS = IN_VEC <= OUT_VEC ? 1 : 0;
  localparam int NARROW = WIDENS != 0 ? IN_VEC : OUT_VEC;
  localparam int PARTS = WIDENS != 0 ? OUT_VEC / IN_VEC : IN_VEC / OUT_VEC;
  localparam int BEATS = (N + NARROW - 1) / NARROW;
  localparam int PW = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  logic room, step, last, part_last, reads, writes, push, restart;
  logic [PW-1:0] part;
  logic [BW-1:0] unused_beat;
  assign restart = rst || (step && last);
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step, .at(unused_beat), .last);
  swm_counter #(.N(PARTS)) u_part (.clk, .rst(restart), .step, .at(part), .last(part_last));
  assign reads = WIDENS != 0 || part == '0;
  assign writes = WIDENS == 0 || last || part_last;
  assign in_ready = reads && (room || !writes);
  assign step = (in_valid || !reads) && (room || !writes);

  logic [OUT_VEC*BITS-1:0] value;
  genvar i;
  generate
    if (PARTS == 1) begin : g_same
      always_ff @(posedge clk) value <= in_data;
    end else if (WIDENS != 0) begin : g_widen
      // The first part of a beat clears those behind it: a token may end before they come.
      for (i = 0; i < PARTS; i = i + 1) begin : g_part
        always_ff @(posedge clk) begin
          if (step) begin
            if (32'(part) == i) value[i*IN_VEC*BITS+:IN_VEC*BITS] <= in_data;
            else if (part == '0) value[i*IN_VEC*BITS+:IN_VEC*BITS] <= '0;
          end
        end
      end
    end else begin : g_narrow
      logic [IN_VEC*BITS-1:0] rest, all;
      assign all = part == '0 ? in_data : rest;
      always_ff @(posedge clk) begin
        if (step) rest <= all >> (OUT_VEC * BITS);
        value <= all[OUT_VEC*BITS-1:0];
      end
    end
  endgenerate
  swm_valid #(.N(1)) u_push (.clk, .rst, .in(step && writes), .out(push));
  swm_fifo #(.WIDTH(OUT_VEC * BITS), .DEPTH(DEPTH), .PIPELINE(1)) u_out (
      .clk, .rst, .reserve(step && writes), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_beat};
endmodule

// SPDX-License-Identifier: Apache-2.0
/// \file swm_reverse.sv
/// \brief A sequence leaves last step first: what stands before and behind a recurrent layer that runs backwards.
///
/// A frame of STEPS steps of STEP_BEATS beats is written into one half of a memory while the one before it is read, step by step
/// from its end, from the other half (swm_block_walk). The beats of a step keep their order.
///
/// Latency 2 (memory), from the last beat of a frame in to its first one out.
module swm_reverse #(
    parameter int VEC = 1,
    parameter int BITS = 8,
    parameter int STEPS = 2,
    parameter int STEP_BEATS = 1,
    parameter int DEPTH = 2
) (
    input  logic                clk,
    input  logic                rst,
    input  logic                in_valid,
    output logic                in_ready,
    input  logic [VEC*BITS-1:0] in_data,
    output logic                out_valid,
    input  logic                out_ready,
    output logic [VEC*BITS-1:0] out_data
);
  localparam int PERIOD = STEPS * STEP_BEATS;
  localparam int PW = PERIOD > 1 ? $clog2(PERIOD) : 1;
  localparam int AW = $clog2(2 * PERIOD);
  localparam int SW = STEP_BEATS > 1 ? $clog2(STEP_BEATS) : 1;

  logic load, load_half, room, emit, emit_half, push, step_last;
  logic [PW-1:0] load_at, emit_at, from;  // `from`: the first beat of the step that leaves
  logic [SW-1:0] place;
  logic [VEC*BITS-1:0] value;
  swm_block_walk #(.LOADS(PERIOD), .EMITS(PERIOD), .LW(PW), .EW(PW)) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at, .room, .emit, .emit_half, .emit_at);
  swm_counter #(.N(STEP_BEATS), .WIDTH(SW)) u_place (.clk, .rst, .step(emit), .at(place), .last(step_last));
  always_ff @(posedge clk) begin
    if (rst) from <= PW'(PERIOD - STEP_BEATS);
    else if (emit && step_last) from <= emit_at == PW'(PERIOD - 1) ? PW'(PERIOD - STEP_BEATS) : from - PW'(STEP_BEATS);
  end
  swm_ram #(.WIDTH(VEC * BITS), .DEPTH(2 * PERIOD)) u_store (
      .clk, .write(load), .to((load_half ? AW'(PERIOD) : '0) + AW'(load_at)), .value(in_data),
      .from((emit_half ? AW'(PERIOD) : '0) + AW'(from) + AW'(place)), .data(value));
  swm_valid #(.N(2)) u_push (.clk, .rst, .in(emit), .out(push));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(2)) u_out (
      .clk, .rst, .reserve(emit), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule

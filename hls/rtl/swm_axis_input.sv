// SPDX-License-Identifier: Apache-2.0
/// \file swm_axis_input.sv
/// \brief The AXI4-Stream input: unpacks VEC values a beat, keeps frames apart by TLAST.
///
/// A value occupies a container of 8, 16 or 32 bits, little end first, sign in the container's top bits. A frame is PERIOD
/// beats, TOKEN_BEATS a token of N values; places beyond N are ignored.
///
/// A frame that ends early is filled with zeros, one that goes on is cut and the surplus dropped up to its TLAST: a wrong
/// frame spoils its own result and no other. `frames`, `short_frames`, `long_frames` count since reset and wrap.
///
/// A beat a cycle; iteration i reads and writes beat i. Latency 1.
module swm_axis_input #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int CONTAINER = 8,
    parameter int PERIOD = 8,
    parameter int TOKEN_BEATS = 8,
    parameter int DEPTH = 2
) (
    input  logic                     clk,
    input  logic                     rst,
    input  logic                     s_valid,
    output logic                     s_ready,
    input  logic [VEC*CONTAINER-1:0] s_data,
    input  logic                     s_last,
    output logic                     out_valid,
    input  logic                     out_ready,
    output logic [     VEC*BITS-1:0] out_data,
    output logic [             31:0] frames,
    output logic [             31:0] short_frames,
    output logic [             31:0] long_frames
);
  localparam int PW = PERIOD > 1 ? $clog2(PERIOD) : 1;
  localparam int BW = TOKEN_BEATS > 1 ? $clog2(TOKEN_BEATS) : 1;
  logic room, write, filling, dropping, ends, last_place, last_beat, early, late;
  logic [PW-1:0] unused_place;
  logic [BW-1:0] unused_beat;
  assign s_ready = !filling && (dropping || room);
  assign write = !dropping && room && (filling || s_valid);
  assign ends = s_valid && s_ready && s_last;
  swm_counter #(.N(PERIOD)) u_place (.clk, .rst, .step(write), .at(unused_place), .last(last_place));
  swm_counter #(.N(TOKEN_BEATS)) u_beat (.clk, .rst, .step(write), .at(unused_beat), .last(last_beat));
  assign early = write && !filling && s_last && !last_place;
  assign late = write && !filling && !s_last && last_place;

  logic [VEC*BITS-1:0] value;
  logic push;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic none;
      assign none = filling || (last_beat && i >= N - (TOKEN_BEATS - 1) * VEC);
      always_ff @(posedge clk) value[i*BITS+:BITS] <= none ? '0 : s_data[i*CONTAINER+:BITS];
      if (BITS < CONTAINER) begin : g_sign
        logic unused;
        assign unused = &{1'b0, s_data[i*CONTAINER+BITS+:CONTAINER-BITS]};
      end
    end
  endgenerate
  always_ff @(posedge clk) begin
    if (rst) begin
      filling <= 1'b0;
      dropping <= 1'b0;
      push <= 1'b0;
      frames <= '0;
      short_frames <= '0;
      long_frames <= '0;
    end else begin
      if (early) filling <= 1'b1;
      else if (write && last_place) filling <= 1'b0;
      if (late) dropping <= 1'b1;
      else if (ends) dropping <= 1'b0;
      push <= write;
      if (dropping ? ends : write && last_place && !late) frames <= frames + 1;
      if (early) short_frames <= short_frames + 1;
      if (late) long_frames <= long_frames + 1;
    end
  end
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(1)) u_out (
      .clk, .rst, .reserve(write), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_place, unused_beat};
endmodule

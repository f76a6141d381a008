// SPDX-License-Identifier: Apache-2.0
/// \file swm_axis_output.sv
/// \brief The AXI4-Stream output: packs VEC values a beat into containers, TLAST at the last of the PERIOD beats of a frame.
///
/// A beat a cycle; iteration i reads and writes beat i. Latency 1.
module swm_axis_output #(
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int CONTAINER = 8,
    parameter int PERIOD = 8
) (
    input  logic                     clk,
    input  logic                     rst,
    input  logic                     in_valid,
    output logic                     in_ready,
    input  logic [     VEC*BITS-1:0] in_data,
    output logic                     m_valid,
    input  logic                     m_ready,
    output logic [VEC*CONTAINER-1:0] m_data,
    output logic                     m_last
);
  localparam int PW = PERIOD > 1 ? $clog2(PERIOD) : 1;
  logic room, read, push, last_place, last;
  logic [PW-1:0] unused_place;
  logic [VEC*CONTAINER-1:0] value;
  assign in_ready = room;
  assign read = in_valid && room;
  swm_counter #(.N(PERIOD)) u_place (.clk, .rst, .step(read), .at(unused_place), .last(last_place));
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      always_ff @(posedge clk) value[i*CONTAINER+:CONTAINER] <= CONTAINER'($signed(in_data[i*BITS+:BITS]));
    end
  endgenerate
  always_ff @(posedge clk) last <= last_place;
  swm_valid #(.N(1)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * CONTAINER + 1), .DEPTH(2), .PIPELINE(1)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data({last, value}), .out_valid(m_valid), .out_ready(m_ready),
      .out_data({m_last, m_data}));
  logic unused;
  assign unused = &{1'b0, unused_place};
endmodule

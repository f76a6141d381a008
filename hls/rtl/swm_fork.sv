// SPDX-License-Identifier: Apache-2.0
/// \file swm_fork.sv
/// \brief One stream to several readers.
///
/// A beat a cycle; iteration i reads beat i and writes it to every output, when all of them have room: a slow path stops the
/// others once its stream is full. Ports of all outputs lie side by side, output 0 lowest; DEPTHS has 32 bits an output.
///
/// Latency 1.
module swm_fork #(
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int COPIES = 2,
    parameter logic [COPIES*32-1:0] DEPTHS = {COPIES{32'd2}}
) (
    input  logic                       clk,
    input  logic                       rst,
    input  logic                       in_valid,
    output logic                       in_ready,
    input  logic [       VEC*BITS-1:0] in_data,
    output logic [         COPIES-1:0] out_valid,
    input  logic [         COPIES-1:0] out_ready,
    output logic [COPIES*VEC*BITS-1:0] out_data
);
  logic [COPIES-1:0] room;
  logic read, push;
  logic [VEC*BITS-1:0] value;
  assign in_ready = &room;
  assign read = in_valid && in_ready;
  always_ff @(posedge clk) value <= in_data;
  swm_valid #(.N(1)) u_push (.clk, .rst, .in(read), .out(push));
  genvar n;
  generate
    for (n = 0; n < COPIES; n = n + 1) begin : g_output
      swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(32'(DEPTHS[n*32+:32])), .PIPELINE(1)) u_out (
          .clk, .rst, .reserve(read), .room(room[n]), .push, .in_data(value), .out_valid(out_valid[n]),
          .out_ready(out_ready[n]), .out_data(out_data[n*VEC*BITS+:VEC*BITS]));
    end
  endgenerate
endmodule

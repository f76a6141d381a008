// SPDX-License-Identifier: Apache-2.0
/// \file swm_fifo.sv
/// \brief The stream behind a process: DEPTH beats for its reader, and PIPELINE more for beats that are under way.
///
/// A process does not stall half way: an iteration that will write takes a place when it starts (`reserve`, while `room`
/// stands), and its beat comes later (`push`), at most PIPELINE cycles. So no enable runs through a data path, and what
/// has started always ends.
///
/// A beat pushed in cycle c can be read in cycle c + 1. A place is free in the cycle after its beat was read.
///
/// Up to 32 beats lie in a memory with an asynchronous read port (LUTRAM, of Quartus MLAB), more in one with a registered read port (block
/// RAM), with a way past it for a beat that is read in the cycle after it was written.
module swm_fifo #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter int PIPELINE = 0
) (
    input  logic             clk,
    input  logic             rst,
    input  logic             reserve,
    output logic             room,
    input  logic             push,
    input  logic [WIDTH-1:0] in_data,
    output logic             out_valid,
    input  logic             out_ready,
    output logic [WIDTH-1:0] out_data
);
  localparam int PLACES = DEPTH + PIPELINE;
  localparam int AW = PLACES > 1 ? $clog2(PLACES) : 1;
  localparam int CW = $clog2(PLACES + 1);

  logic [CW-1:0] taken, stored;  // places reserved or filled; places filled
  logic [AW-1:0] head, tail;     // where the next beat is read and written
  logic pop, unused;
  assign pop = out_valid && out_ready;
  assign room = taken != CW'(PLACES);
  assign out_valid = stored != '0;
  always_ff @(posedge clk) begin
    if (rst) taken <= '0;
    else if (reserve && !pop) taken <= taken + 1;
    else if (!reserve && pop) taken <= taken - 1;
    if (rst) stored <= '0;
    else if (push && !pop) stored <= stored + 1;
    else if (!push && pop) stored <= stored - 1;
  end
  logic unused_tail_last, unused_head_last;
  assign unused = &{1'b0, unused_tail_last, unused_head_last};
  swm_counter #(.N(PLACES), .WIDTH(AW)) u_tail (.clk, .rst, .step(push), .at(tail), .last(unused_tail_last));
  swm_counter #(.N(PLACES), .WIDTH(AW)) u_head (.clk, .rst, .step(pop), .at(head), .last(unused_head_last));

  generate
    if (PLACES <= 32) begin : g_lutram
`ifdef ALTERA_RESERVED_QIS
      (* ramstyle = "MLAB, no_rw_check" *)
`else
      (* ram_style = "distributed" *)
`endif
      logic [WIDTH-1:0] beats[0:PLACES-1];
      always_ff @(posedge clk) if (push) beats[tail] <= in_data;
      assign out_data = beats[head];
    end else begin : g_block
      logic [WIDTH-1:0] beats[0:PLACES-1];
      logic [WIDTH-1:0] read, passed;
      logic [AW-1:0] next;
      logic past;
      assign next = !pop ? head : head == AW'(PLACES - 1) ? '0 : head + 1;
      always_ff @(posedge clk) begin
        if (push) beats[tail] <= in_data;
        read <= beats[next];
      end
      always_ff @(posedge clk) begin
        past <= push && tail == next;
        passed <= in_data;
      end
      assign out_data = past ? passed : read;
    end
  endgenerate
endmodule

// SPDX-License-Identifier: Apache-2.0
/// \file swm_ram.sv
/// \brief A memory with one write and one read port, two registers behind the read address.
///
/// Latency 2 from `from` to `data`. A word written in cycle c is seen by reads of cycle c + 1 and later; a read of the same
/// cycle sees the old word.
module swm_ram #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter int AW = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic             clk,
    input  logic             write,
    input  logic [   AW-1:0] to,
    input  logic [WIDTH-1:0] value,
    input  logic [   AW-1:0] from,
    output logic [WIDTH-1:0] data
);
  logic [WIDTH-1:0] words[0:DEPTH-1];
  logic [WIDTH-1:0] read;
  always_ff @(posedge clk) begin
    if (write) words[to] <= value;
    read <= words[from];
  end
  always_ff @(posedge clk) data <= read;
endmodule

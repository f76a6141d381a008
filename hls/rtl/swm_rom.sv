// SPDX-License-Identifier: Apache-2.0
/// \file swm_rom.sv
/// \brief DEPTH words of WIDTH bits from a file ($readmemh), two registers behind the address.
///
/// Latency 2, as block RAM with its output register has it. LUTRAM = 1 asks for LUTs, by the name that yosys has for it or by
/// Vivado's, which yosys refuses for what is never written; Quartus chooses itself. The file's path is relative to the folder in which the tool runs:
/// the project.
module swm_rom #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter FILE = "",
    parameter int LUTRAM = 0,
    parameter int AW = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input  logic             clk,
    input  logic [   AW-1:0] address,
    output logic [WIDTH-1:0] data
);
  logic [WIDTH-1:0] read;
  generate
    if (LUTRAM != 0) begin : g_lut
`ifdef YOSYS
      (* ram_style = "logic" *)
`else
      (* rom_style = "distributed" *)
`endif
      logic [WIDTH-1:0] words[0:DEPTH-1];
      initial $readmemh(FILE, words);
      always_ff @(posedge clk) read <= words[address];
    end else begin : g_block
      logic [WIDTH-1:0] words[0:DEPTH-1];
      initial $readmemh(FILE, words);
      always_ff @(posedge clk) read <= words[address];
    end
  endgenerate
  always_ff @(posedge clk) data <= read;
endmodule

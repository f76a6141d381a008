// SPDX-License-Identifier: Apache-2.0
/// \file swm_block_walk.sv
/// \brief Two halves of a memory: a group of beats is loaded into one while the group before it leaves from the other.
///
///     load   LOADS beats a group, one a cycle while its half is free
///     emit   EMITS beats a group, each at least II cycles behind the one before, from the cycle after its last load
///
/// GROUPS groups a token; the last one has LAST_LOADS and LAST_EMITS. A group needs no successor to leave: nothing here says
/// how many frames come.
///
/// A step of each takes place in the cycle in which `load` and `emit` stand.
module swm_block_walk #(
    parameter int LOADS = 2,
    parameter int EMITS = 2,
    parameter int GROUPS = 1,
    parameter int LAST_LOADS = LOADS,
    parameter int LAST_EMITS = EMITS,
    parameter int II = 1,
    parameter int LW = LOADS > 1 || LAST_LOADS > 1 ? $clog2(LOADS > LAST_LOADS ? LOADS : LAST_LOADS) : 1,
    parameter int EW = EMITS > 1 || LAST_EMITS > 1 ? $clog2(EMITS > LAST_EMITS ? EMITS : LAST_EMITS) : 1
) (
    input  logic          clk,
    input  logic          rst,
    input  logic          offered,    // a beat to load
    output logic          free,       // and a place for it
    output logic          load,
    output logic          load_half,
    output logic [LW-1:0] load_at,
    input  logic          room,       // for a beat that leaves
    output logic          emit,
    output logic          emit_half,
    output logic [EW-1:0] emit_at
);
  localparam int GW = GROUPS > 1 ? $clog2(GROUPS) : 1;
  localparam int WW = II > 1 ? $clog2(II) : 1;
  logic [1:0] full;  // halves that hold a whole group
  logic load_end, emit_end, load_last, emit_last, rests;
  logic [GW-1:0] unused_load_group, unused_emit_group;
  swm_counter #(.N(GROUPS)) u_load_group (.clk, .rst, .step(load && load_end), .at(unused_load_group), .last(load_last));
  swm_counter #(.N(GROUPS)) u_emit_group (.clk, .rst, .step(emit && emit_end), .at(unused_emit_group), .last(emit_last));
  assign free = !full[load_half];
  assign load = offered && free;
  assign load_end = load_at == (load_last ? LW'(LAST_LOADS - 1) : LW'(LOADS - 1));
  assign emit = full[emit_half] && room && !rests;
  assign emit_end = emit_at == (emit_last ? EW'(LAST_EMITS - 1) : EW'(EMITS - 1));
  always_ff @(posedge clk) begin
    if (rst) begin
      full <= '0;
      load_half <= 1'b0;
      emit_half <= 1'b0;
      load_at <= '0;
      emit_at <= '0;
    end else begin
      if (load) load_at <= load_end ? '0 : load_at + 1;
      if (load && load_end) begin
        full[load_half] <= 1'b1;
        load_half <= !load_half;
      end
      if (emit) emit_at <= emit_end ? '0 : emit_at + 1;
      if (emit && emit_end) begin
        full[emit_half] <= 1'b0;
        emit_half <= !emit_half;
      end
    end
  end
  generate
    if (II > 1) begin : g_slow
      logic [WW-1:0] wait_for;
      assign rests = wait_for != '0;
      always_ff @(posedge clk) begin
        if (rst) wait_for <= '0;
        else if (emit) wait_for <= WW'(II - 1);
        else if (rests) wait_for <= wait_for - 1;
      end
    end else begin : g_fast
      assign rests = 1'b0;
    end
  endgenerate
  logic unused;
  assign unused = &{1'b0, unused_load_group, unused_emit_group};
endmodule

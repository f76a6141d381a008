// SPDX-License-Identifier: Apache-2.0
/// \file swm_curve.sv
/// \brief A function as a table of ENTRIES equal segments, lines or constants (docs/arithmetic.md section 5).
///
/// c = clip(z, FIRST, FIRST + ENTRIES 2^STEP_BITS - 1) - FIRST has the segment i in its upper bits and the place d in it in the
/// STEP_BITS lower ones; value = start[i] 2^STEP_BITS + rise[i] d, or start[i] where RISE_BITS = 0; RECTIFIED adds max(z, 0) 2^BASE_SHIFT;
/// y = saturate(round_shift(value, OUT_SHIFT), OUT). A word of the file holds a start, its rise above it.
///
/// Latency 8, lines or constants: place, memory 2, operand, product, value, rounded, saturated.
module swm_curve #(
    parameter int IN = 8,
    parameter int OUT = 8,
    parameter int OUT_SHIFT = 0,
    parameter int FIRST = 0,
    parameter int STEP_BITS = 0,
    parameter int ENTRIES = 2,
    parameter int START_BITS = 8,
    parameter int RISE_BITS = 0,
    parameter int RECTIFIED = 0,
    parameter int BASE_SHIFT = 0,
    parameter int LUTRAM = 0,
    parameter TABLE = ""
) (
    input  logic                  clk,
    input  logic signed [ IN-1:0] z,
    output logic signed [OUT-1:0] y
);
  localparam int SPAN = ENTRIES << STEP_BITS;
  localparam int AT = SPAN > 1 ? $clog2(SPAN) : 1;
  localparam int IW = ENTRIES > 1 ? $clog2(ENTRIES) : 1;
  localparam int SLOPED = (START_BITS > RISE_BITS ? START_BITS : RISE_BITS) + STEP_BITS + 1;
  localparam int LINE = RISE_BITS > 0 ? SLOPED : START_BITS;
  localparam int BASE = RECTIFIED != 0 ? IN + BASE_SHIFT : 0;
  localparam int BITS = (LINE > BASE ? LINE : BASE) + 1;
  localparam int WORD = START_BITS + RISE_BITS;
  localparam int RAISED = RISE_BITS > 0 ? STEP_BITS : 0;

  logic signed [IN:0] from_first;
  logic [AT-1:0] at;
  assign from_first = (IN + 1)'(z) - (IN + 1)'(FIRST);
  always_ff @(posedge clk) begin
    if (from_first[IN]) at <= '0;
    else if (from_first > (IN + 1)'(SPAN - 1)) at <= AT'(SPAN - 1);
    else at <= AT'(from_first);
  end
  logic [WORD-1:0] entry;
  swm_rom #(.WIDTH(WORD), .DEPTH(ENTRIES), .FILE(TABLE), .LUTRAM(LUTRAM)) u_table (
      .clk, .address(IW'(at >> STEP_BITS)), .data(entry));

  // Start and max(z, 0) while the multiplier works.
  logic signed [BITS-1:0] base, base_late, raised, line;
  assign raised = BITS'($signed(entry[START_BITS-1:0])) <<< RAISED;
  always_ff @(posedge clk) base_late <= base;
  generate
    if (RECTIFIED != 0) begin : g_rectified
      logic [IN-1:0] positive;
      swm_delay #(.WIDTH(IN), .N(3)) u_positive (.clk, .in(z[IN-1] ? '0 : z), .out(positive));
      always_ff @(posedge clk) base <= raised + (BITS'($signed(positive)) <<< BASE_SHIFT);
    end else begin : g_bare
      always_ff @(posedge clk) base <= raised;
    end
    if (RISE_BITS > 0 && STEP_BITS > 0) begin : g_line
      logic [STEP_BITS-1:0] place;
      logic signed [RISE_BITS+STEP_BITS:0] gain;
      swm_delay #(.WIDTH(STEP_BITS), .N(2)) u_place (.clk, .in(at[STEP_BITS-1:0]), .out(place));
      swm_multiply #(.WA(RISE_BITS), .WB(STEP_BITS + 1)) u_gain (
          .clk, .a(entry[WORD-1:START_BITS]), .b({1'b0, place}), .p(gain));
      always_ff @(posedge clk) line <= base_late + BITS'(gain);
    end else begin : g_constant
      always_ff @(posedge clk) line <= base_late;
      if (RISE_BITS > 0) begin : g_flat
        logic unused;
        assign unused = &{1'b0, entry[WORD-1:START_BITS]};
      end
    end
  endgenerate
  swm_round #(.IN(BITS), .SHIFT(OUT_SHIFT), .OUT(OUT)) u_round (.clk, .v(line), .y);
endmodule

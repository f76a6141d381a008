// SPDX-License-Identifier: Apache-2.0
/// \file swm_round.sv
/// \brief The two ways in which bits are ever lost: y = saturate(round_shift(v, SHIFT), OUT) (docs/arithmetic.md).
///
/// round_shift(v, s) = (v + 2^(s-1)) >> s for s > 0, v << -s otherwise. RELU = 1: of max(v, 0). BOUNDED = 1: clipped to
/// LOW .. HIGH before it saturates.
///
/// Latency 2: rounded, saturated.
module swm_round #(
    parameter int IN = 16,
    parameter int SHIFT = 0,
    parameter int OUT = 8,
    parameter int RELU = 0,
    parameter int BOUNDED = 0,
    parameter int LOW = 0,
    parameter int HIGH = 0
) (
    input  logic                  clk,
    input  logic signed [ IN-1:0] v,
    output logic signed [OUT-1:0] y
);
  // A right shift by more than IN gives 0, a left one by OUT saturates all but 0: none needs a wider adder.
  localparam int RIGHT = SHIFT > IN + 1 ? IN + 1 : SHIFT;
  localparam int LEFT = -SHIFT > OUT ? OUT : -SHIFT;
  localparam int SUM = (RIGHT > IN ? RIGHT : IN) + 1;
  localparam int BITS = SHIFT > 0 ? (IN - RIGHT + 1 > 2 ? IN - RIGHT + 1 : 2) : IN + LEFT;  // of the rounded value

  logic signed [IN-1:0] kept;
  assign kept = RELU != 0 && v[IN-1] ? '0 : v;
  logic signed [BITS-1:0] rounded;
  generate
    if (SHIFT > 0) begin : g_right
      logic signed [SUM-1:0] sum;
      assign sum = SUM'(kept) + (SUM'(1) <<< (RIGHT - 1));
      always_ff @(posedge clk) rounded <= BITS'(sum >>> RIGHT);
    end else begin : g_left
      always_ff @(posedge clk) rounded <= BITS'(kept) <<< LEFT;
    end
    if (BOUNDED != 0) begin : g_bounded
      localparam int LEAST = -(1 << (OUT - 1)), LARGEST = (1 << (OUT - 1)) - 1;
      localparam int DOWN = LOW < LEAST ? LEAST : LOW > LARGEST ? LARGEST : LOW;
      localparam int UP = HIGH < LEAST ? LEAST : HIGH > LARGEST ? LARGEST : HIGH;
      localparam int WIDE = BITS > OUT ? BITS : OUT;
      logic signed [WIDE-1:0] wide;
      assign wide = WIDE'(rounded);
      always_ff @(posedge clk) y <= wide > WIDE'(UP) ? OUT'(UP) : wide < WIDE'(DOWN) ? OUT'(DOWN) : OUT'(wide);
    end else if (BITS > OUT) begin : g_clip
      logic over;
      assign over = rounded[BITS-1:OUT-1] != {(BITS - OUT + 1) {rounded[BITS-1]}};
      always_ff @(posedge clk) y <= over ? {rounded[BITS-1], {(OUT - 1) {~rounded[BITS-1]}}} : rounded[OUT-1:0];
    end else begin : g_fits
      always_ff @(posedge clk) y <= OUT'(rounded);
    end
  endgenerate
endmodule

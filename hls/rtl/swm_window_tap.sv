// SPDX-License-Identifier: Apache-2.0
/// \file swm_window_tap.sv
/// \brief A tap of a kernel BY positions further along an axis: where it lies in the grid, and in the memories.
///
/// Position `at` of the grid lies in slot (at mod SLOTS) of a ring or of some banks, at place floor(at / SLOTS). Slots are
/// counted in units of UNIT words, places in units of STEP: an address needs no multiplication. SLOT_BITS hold
/// SLOTS * UNIT - 1; places are taken modulo 2^PLACE_BITS.
///
/// No register.
module swm_window_tap #(
    parameter int BY = 1,
    parameter int SLOTS = 1,
    parameter int UNIT = 1,
    parameter int STEP = 1,
    parameter int AT_BITS = 8,
    parameter int SLOT_BITS = 1,
    parameter int PLACE_BITS = 1
) (
    input  logic signed [   AT_BITS-1:0] at,
    input  logic        [ SLOT_BITS-1:0] slot,
    input  logic        [PLACE_BITS-1:0] place,
    output logic signed [   AT_BITS-1:0] to_at,
    output logic        [ SLOT_BITS-1:0] to_slot,
    output logic        [PLACE_BITS-1:0] to_place
);
  localparam int S = SLOT_BITS + 1;
  localparam logic [S-1:0] ALL = S'(SLOTS * UNIT);
  logic [S-1:0] sum, less;
  logic wraps;
  assign to_at = at + AT_BITS'(BY);
  assign sum = S'(slot) + S'((BY % SLOTS) * UNIT);
  assign less = sum - ALL;
  assign wraps = sum >= ALL;
  assign to_slot = wraps ? less[SLOT_BITS-1:0] : sum[SLOT_BITS-1:0];
  assign to_place = place + PLACE_BITS'((BY / SLOTS) * STEP) + (wraps ? PLACE_BITS'(STEP) : '0);
  logic unused;
  assign unused = &{1'b0, less};
endmodule

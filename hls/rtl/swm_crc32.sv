// SPDX-License-Identifier: Apache-2.0
/// \file swm_crc32.sv
/// \brief One byte of a CRC-32 (IEEE 802.3, the FCS-32 of RFC 1662; zlib's crc32), combinational.
///
/// Starts from all ones; what is sent is its complement, the lowest byte first. Over a frame with that behind it, the
/// register ends at 32'hDEBB20E3.
module swm_crc32 #(
    parameter logic [31:0] POLYNOMIAL = 32'hEDB88320  // bits reversed
) (
    input  logic [31:0] crc,
    input  logic [ 7:0] data,
    output logic [31:0] next
);
  always_comb begin
    next = crc ^ {24'd0, data};
    for (int i = 0; i < 8; i = i + 1) next = next[0] ? (next >> 1) ^ POLYNOMIAL : next >> 1;
  end
endmodule

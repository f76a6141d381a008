// SPDX-License-Identifier: Apache-2.0
/// \file rom.h
/// \brief Fills large ROMs in C simulation from files, so that no C++ compiler has to read their contents as text.
///
/// A ROM of ap_int costs a compiler kilobytes of memory a word. Where SWM_ROM_FILES is defined, and outside synthesis, a ROM is
/// an array without initialiser and a `rom_file` behind it; synthesis has the same numbers as text (src/*.inc).
///
/// Format: the words in the order of the array, each a two's complement integer of 1, 2, 4 or 8 bytes, little end first.
#pragma once

#if defined(SWM_ROM_FILES) && !defined(__SYNTHESIS__)
#include <stdlib.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace swm {
namespace sim {
namespace detail {

template <class Word>
struct rom_words {
  enum { value = 1 };
  static const unsigned char* fill(const unsigned char* from, int bytes, Word& word) {
    unsigned long long raw = 0;
  BYTES:
    for (int b = 0; b < bytes; ++b) raw |= static_cast<unsigned long long>(from[b]) << (8 * b);
    const unsigned long long sign = 1ULL << (8 * bytes - 1);
    word = Word(static_cast<long long>((raw ^ sign) - sign));
    return from + bytes;
  }
};
template <class Part, int N>
struct rom_words<Part[N]> {
  enum { value = N * rom_words<Part>::value };
  static const unsigned char* fill(const unsigned char* from, int bytes, Part (&rom)[N]) {
  PARTS:
    for (int i = 0; i < N; ++i) from = rom_words<Part>::fill(from, bytes, rom[i]);
    return from;
  }
};

}  // namespace detail

/// A file that fills a ROM before main runs; the program ends with status 2 where it is missing or of another size.
class rom_file {
 public:
  /// \param name   lies beside the program, as the simulators of the tools have it, or in tb, as the project has it
  /// \param bytes  of a word
  template <class Rom>
  rom_file(const char* name, int bytes, Rom& rom) {
    std::ifstream file(name, std::ios::binary);
    if (!file) file.open((std::string("tb/") + name).c_str(), std::ios::binary);
    const std::vector<unsigned char> raw((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const size_t size = static_cast<size_t>(bytes) * detail::rom_words<Rom>::value;
    if (!file.is_open() || raw.size() != size) {
      std::cerr << (file.is_open() ? "weights of the wrong size: " : "cannot open ") << name << " (" << size << " bytes, here or in tb)\n";
      exit(2);
    }
    detail::rom_words<Rom>::fill(&raw[0], bytes, rom);
  }
};

}  // namespace sim
}  // namespace swm
#endif

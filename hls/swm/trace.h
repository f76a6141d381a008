// SPDX-License-Identifier: Apache-2.0
/// \file trace.h
/// \brief C simulation with SWM_TRACE writes down what passes between layers, so that `swm verify --trace` can compare it.
///
/// The environment variable SWM_TRACE names a folder. What passes through a stream, or lies in an array behind its process,
/// is appended to the file of its name there, beat by beat, each word as four bytes; where there is no such file, nothing is.
#pragma once

#ifdef SWM_TRACE
#include <stdio.h>
#include <stdlib.h>

#include <string>

namespace swm {

template <class T, int N>
struct vec;

namespace sim {

/// The file of a name, open at its end; null where nobody asked for it.
class trace_file {
 public:
  explicit trace_file(const char* name) : file_(nullptr) {
    const char* const folder = getenv("SWM_TRACE");
    if (folder == nullptr) return;
    const std::string path = std::string(folder) + "/" + name;
    FILE* const found = fopen(path.c_str(), "rb");
    if (found == nullptr) return;
    fclose(found);
    file_ = fopen(path.c_str(), "ab");
  }
  ~trace_file() {
    if (file_ != nullptr) fclose(file_);
  }
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;

  template <class T, int N>
  void put(const vec<T, N>& beat) {
    put(beat.v, N);
  }
  template <class T>
  void put(const T* words, int count) {
  WORDS:
    for (int i = 0; file_ != nullptr && i < count; ++i) {
      const int word = static_cast<int>(words[i]);
      fwrite(&word, sizeof word, 1, file_);
    }
  }
  /// Beats of the ports and of what loads weights are no words of a layer.
  template <class T>
  void put(const T&) {}

 private:
  FILE* file_;
};

}  // namespace sim
}  // namespace swm

#define SWM_TAP(array, count) ::swm::sim::trace_file(#array).put(array, count);
#else
#define SWM_TAP(array, count)
#endif

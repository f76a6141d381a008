// SPDX-License-Identifier: Apache-2.0
// The library of a block-circulant product for one block size, SWM_K.

#include "product.h"

extern "C" {

int swm_lanes() { return LANES; }

std::int64_t swm_work(std::int64_t p, std::int64_t q, std::int64_t pl) { return work_of(Shape{p * K, q * K, p, q, pl, nullptr, false}); }

std::int64_t swm_matmul(const Plan* plan, const float* x, float* y, std::int64_t batch, std::int64_t threads, float* work) {
    return multiply(*plan, x, y, batch, threads, work);
}
}

#include "CWeights.h"

#pragma clang diagnostic ignored "-Wc23-extensions"
// `#embed` is tracked by the compiler's dependency file: a new weights file rebuilds this one.
static const uint8_t weights[] __attribute__((aligned(64))) = {
#embed "embedded.weights" suffix(, ) if_empty()
    0};

const uint8_t *cweights_bytes(void) { return weights; }
size_t cweights_count(void) { return sizeof weights - 1; }

// The embedded model's weights, inside the binary.
#ifndef CWEIGHTS_H
#define CWEIGHTS_H

#include <stddef.h>
#include <stdint.h>

const uint8_t *cweights_bytes(void);
size_t cweights_count(void);

#endif

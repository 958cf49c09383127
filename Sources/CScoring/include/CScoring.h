// The inner loop of the embedded model: sums of table rows. Integers, so that every machine gets the same sums.
#ifndef CSCORING_H
#define CSCORING_H

#include <stddef.h>
#include <stdint.h>

/// Adds up `count` rows of 16 signed bytes of `table`; `totals` takes 16 numbers of 32 bits.
void cscoring_sum(const void *table, const uint32_t *rows, size_t count, void *totals);

#endif

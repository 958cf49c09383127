// The inner loop of the embedded model: sums of table rows. Integers, so that every machine gets the same sums.
#ifndef CSCORING_H
#define CSCORING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// How many rows wait until they are summed. 16-bit lanes hold that many rows of signed bytes.
#define CSCORING_BATCH 256

typedef int8_t cscoring_bytes __attribute__((vector_size(16)));
typedef int16_t cscoring_words __attribute__((vector_size(32)));
typedef int32_t cscoring_longs __attribute__((vector_size(64)));

/// A sum under way. Rows are asked of memory when they are added and read a batch later: the table is larger than the
/// caches near a core.
typedef struct {
  const int8_t *table;
  size_t rows;
  uint32_t waiting;
  uint32_t batch[CSCORING_BATCH];
  int32_t totals[16];
} cscoring_sum;

static inline void cscoring_begin(cscoring_sum *sum, const void *table) {
  sum->table = (const int8_t *)table;
  sum->rows = 0;
  sum->waiting = 0;
  memset(sum->totals, 0, sizeof(sum->totals));
}

static inline void cscoring_flush(cscoring_sum *sum) {
  cscoring_words narrow = {0};
  for (uint32_t index = 0; index < sum->waiting; index++) {
    cscoring_bytes row;
    memcpy(&row, sum->table + (size_t)sum->batch[index] * 16, 16);
    narrow += __builtin_convertvector(row, cscoring_words);
  }
  for (int head = 0; head < 16; head++) sum->totals[head] += narrow[head];
  sum->rows += sum->waiting;
  sum->waiting = 0;
}

static inline void cscoring_add(cscoring_sum *sum, uint32_t row) {
  __builtin_prefetch(sum->table + (size_t)row * 16);
  sum->batch[sum->waiting++] = row;
  if (sum->waiting == CSCORING_BATCH) cscoring_flush(sum);
}

#endif

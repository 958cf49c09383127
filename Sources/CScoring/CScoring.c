#include "CScoring.h"

#include <string.h>

typedef int8_t bytes __attribute__((vector_size(16)));
typedef int16_t words __attribute__((vector_size(32)));

// 16-bit lanes hold this many rows of signed bytes.
enum { batch = 256 };
// The table is larger than the caches near a core: a row is asked for so many rows before it is needed.
enum { ahead = 24 };

// The same lines, compiled for what every processor has and for what most have: integer sums come out the same.
#define SUM_ROWS                                                                          \
  int32_t sums[16] = {0};                                                                 \
  for (size_t start = 0; start < count; start += batch) {                                 \
    size_t end = count - start < batch ? count : start + batch;                           \
    words narrow = {0};                                                                   \
    for (size_t index = start; index < end; index++) {                                    \
      if (index + ahead < count) __builtin_prefetch(table + (size_t)rows[index + ahead] * 16); \
      bytes row;                                                                          \
      memcpy(&row, table + (size_t)rows[index] * 16, 16);                                 \
      narrow += __builtin_convertvector(row, words);                                      \
    }                                                                                     \
    for (int head = 0; head < 16; head++) sums[head] += narrow[head];                     \
  }                                                                                       \
  memcpy(totals, sums, sizeof sums);

static void sum_rows(const int8_t *table, const uint32_t *rows, size_t count, void *totals) { SUM_ROWS }

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void sum_rows_avx2(
    const int8_t *table, const uint32_t *rows, size_t count, void *totals) {
  SUM_ROWS
}
#endif

void cscoring_sum(const void *table, const uint32_t *rows, size_t count, void *totals) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return sum_rows_avx2(table, rows, count, totals);
#endif
  sum_rows(table, rows, count, totals);
}

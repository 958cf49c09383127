#include "CEncoder.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

// A fused multiplication and addition rounds once in place of twice, and not every processor has it.
#pragma STDC FP_CONTRACT OFF
// Vectors wider than a register never leave an inlined function, so that no calling convention is concerned.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float lanes __attribute__((ext_vector_type(8)));
typedef float loose __attribute__((ext_vector_type(8), aligned(4), may_alias));
typedef int32_t ints __attribute__((ext_vector_type(8)));
typedef int32_t loose_ints __attribute__((ext_vector_type(8), aligned(4), may_alias));
typedef int8_t signed_bytes __attribute__((ext_vector_type(8)));
typedef uint8_t unsigned_bytes __attribute__((ext_vector_type(8)));

#define INLINE static inline __attribute__((always_inline))

// MARK: Scratch

/// Rows that go through the layers together, with what they are quantised to: as many as fit into the cache of a core
/// with the widest layer in between.
struct block {
  uint8_t *bytes;
  float *scales;
  int32_t *zeros;
  float *narrow, *wide;
};

struct attention {
  float *keys, *values, *scores;
};

struct space {
  float *x, *qkv;
  struct block block;
  struct attention attention;
  size_t bytes;
};

enum { most_block_rows = 72 };

/// Blocks of equal size, so that none is left with a few rows.
static size_t block_rows(size_t tokens, size_t row) {
  size_t blocks = (tokens + most_block_rows - 1) / most_block_rows, rows = (tokens + blocks - 1) / blocks;
  return tokens - row < rows ? tokens - row : rows;
}

static void *take(char *base, size_t *used, size_t bytes) {
  char *at = base ? base + *used : NULL;
  *used += (bytes + 63) / 64 * 64;
  return at;
}

static struct space divide(const cencoder_model *model, size_t tokens, void *scratch) {
  size_t hidden = model->hidden, padded = (tokens + 15) / 16 * 16, used = 0;
  size_t rows = tokens < most_block_rows ? tokens : most_block_rows;
  struct space space;
  space.x = take(scratch, &used, tokens * hidden * 4);
  space.qkv = take(scratch, &used, tokens * hidden * 12);
  space.block.bytes = take(scratch, &used, rows * (model->inner > hidden ? model->inner : hidden));
  space.block.scales = take(scratch, &used, rows * 4);
  space.block.zeros = take(scratch, &used, rows * 4);
  space.block.narrow = take(scratch, &used, (rows < 2 ? 2 : rows) * hidden * 4);
  space.block.wide = take(scratch, &used, rows * model->inner * 4);
  space.attention.keys = take(scratch, &used, padded * 32 * 4);
  space.attention.values = take(scratch, &used, padded * 32 * 4);
  space.attention.scores = take(scratch, &used, padded * 4 * 4);
  space.bytes = used;
  return space;
}

size_t cencoder_scratch(const cencoder_model *model, size_t tokens) { return divide(model, tokens, NULL).bytes; }

/// Rows that are quantised together.
enum { most_slide_rows = 48 };

struct slides {
  /// `x` and `y` have zeros around them.
  float *words, *x, *y, *z;
  struct block block;
  size_t bytes;
};

static size_t larger_of(size_t a, size_t b) { return a > b ? a : b; }

static struct slides divide_slides(const cencoder_convolution *model, size_t tokens, void *scratch) {
  size_t hidden = model->project.inputs, channels = model->first.outputs, used = 0;
  size_t rows = tokens < most_slide_rows ? tokens : most_slide_rows;
  struct slides space;
  space.words = take(scratch, &used, rows * hidden * 4);
  space.x = take(scratch, &used, (tokens * model->project.outputs + model->first.inputs) * 4);
  space.y = take(scratch, &used, (tokens * channels + model->second.inputs) * 4);
  space.z = take(scratch, &used, tokens * channels * 4);
  space.block.bytes = take(scratch, &used, rows * larger_of(hidden, larger_of(model->first.inputs, model->second.inputs)));
  space.block.scales = take(scratch, &used, rows * 4);
  space.block.zeros = take(scratch, &used, rows * 4);
  space.block.narrow = space.block.wide = NULL;
  space.bytes = used;
  return space;
}

size_t cencoder_convolution_scratch(const cencoder_convolution *model, size_t tokens) {
  return divide_slides(model, tokens, NULL).bytes;
}

// MARK: Paths

#define PATH_PORTABLE 0
#define PATH_AVX2 1
#define PATH_AVX_VNNI 2
#define PATH_AVX512_VNNI 3
#define PATH_NEON_DOT 4

#define PATH PATH_PORTABLE
#define FN(name) name##_portable
#include "Lanes.h"
#include "Tiles.h"
#include "Forward.h"
#include "Convolve.h"
#undef PATH
#undef FN

#if defined(__x86_64__)

#define PATH PATH_AVX2
#define FN(name) name##_avx2
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#include "Lanes.h"
#include "Tiles.h"
#include "Forward.h"
#include "Convolve.h"
#pragma clang attribute pop
#undef PATH
#undef FN

#define PATH PATH_AVX_VNNI
#define FN(name) name##_avx_vnni
#pragma clang attribute push(__attribute__((target("avx2,avxvnni"))), apply_to = function)
#include "Lanes.h"
#include "Tiles.h"
#include "Forward.h"
#include "Convolve.h"
#pragma clang attribute pop
#undef PATH
#undef FN

#define PATH PATH_AVX512_VNNI
#define FN(name) name##_avx512_vnni
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))), apply_to = function)
#include "Lanes.h"
#include "Tiles.h"
#include "Forward.h"
#include "Convolve.h"
#pragma clang attribute pop
#undef PATH
#undef FN

#define PATHS(call)                                      \
  switch (path) {                                        \
    case cencoder_avx2: return call(avx2);               \
    case cencoder_avx_vnni: return call(avx_vnni);       \
    case cencoder_avx512_vnni: return call(avx512_vnni); \
    default: return call(portable);                      \
  }

int cencoder_supports(int path) {
  switch (path) {
    case cencoder_portable: return 1;
    case cencoder_avx2: return __builtin_cpu_supports("avx2") != 0;
    case cencoder_avx_vnni: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avxvnni");
    case cencoder_avx512_vnni:
      return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
          && __builtin_cpu_supports("avx512vnni");
    default: return 0;
  }
}

#elif defined(__aarch64__)

#define PATH PATH_NEON_DOT
#define FN(name) name##_neon_dot
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "Lanes.h"
#include "Tiles.h"
#include "Forward.h"
#include "Convolve.h"
#pragma clang attribute pop
#undef PATH
#undef FN

#define PATHS(call)                                \
  switch (path) {                                  \
    case cencoder_neon_dot: return call(neon_dot); \
    default: return call(portable);                \
  }

int cencoder_supports(int path) {
#if defined(__linux__)
  if (path == cencoder_neon_dot) return (getauxval(AT_HWCAP) >> 20 & 1) != 0;  // HWCAP_ASIMDDP
#else
  if (path == cencoder_neon_dot) return 1;  // every Apple processor that runs a supported system
#endif
  return path == cencoder_portable;
}

#else

#define PATHS(call) return call(portable);
int cencoder_supports(int path) { return path == cencoder_portable; }

#endif

int cencoder_best(void) {
  static const int order[] = {cencoder_avx512_vnni, cencoder_avx_vnni, cencoder_avx2, cencoder_neon_dot};
  for (size_t i = 0; i < sizeof order / sizeof *order; i++)
    if (cencoder_supports(order[i])) return order[i];
  return cencoder_portable;
}

void cencoder_run(
    int path, const cencoder_model *model, const uint32_t *ids, const uint8_t *types, const uint32_t *lengths,
    size_t sequences, void *scratch, float *features, float *logits) {
#define RUN(name) run_##name(model, ids, types, lengths, sequences, scratch, features, logits)
  PATHS(RUN)
}

void cencoder_convolve(
    int path, const cencoder_convolution *model, const uint32_t *ids, const uint8_t *types, size_t count, void *scratch,
    float *logits) {
#define CONVOLVE(name) convolve_##name(model, ids, types, count, scratch, logits)
  PATHS(CONVOLVE)
}

void cencoder_sums(
    int path, const uint8_t *rows, size_t count, const int8_t *panels, size_t inputs, size_t outputs, int32_t *sums) {
#define SUMS(name) sums_##name(rows, count, panels, inputs, outputs, sums)
  PATHS(SUMS)
}

// Integer sums of a tile: a few rows by one panel of 16 outputs. Included once for each path, see CEncoder.c.
//
// `count` rows of `inputs` bytes, `inputs` apart; sums[row * 16 + output].

#if PATH == PATH_AVX2

// The usual way, vpmaddubsw and vpmaddwd, keeps one multiplier of four pipes busy and lets the others wait. Here the
// 16-bit sums of pairs are added up twice, as they are (wrapping) and as their upper halves (never wrapping), and the
// sum is put together at the end: S = 256 H + e with 0 <= e <= 255 n < 2^16, so e = (L - 256 H) mod 2^16. One
// multiplication, one shift and two additions a step; 256 steps at most keep H and e within 16 bits.
enum { most_steps = 256, most_rows = 3 };

#define TILE_ARGUMENTS const uint8_t *rows, const int8_t *panel, size_t inputs, int32_t *sums

INLINE void FN(tile_of)(int count, TILE_ARGUMENTS) {
  const __m256i scale = _mm256_set1_epi16(256), lower = _mm256_set1_epi32(0xFFFF);
  __m256i total[most_rows][2];
  for (int r = 0; r < count; r++) total[r][0] = total[r][1] = _mm256_setzero_si256();
  for (size_t start = 0; start < inputs; start += 4 * most_steps) {
    size_t end = inputs - start < 4 * most_steps ? inputs : start + 4 * most_steps;
    __m256i low[most_rows][2], high[most_rows][2];
    for (int r = 0; r < count; r++)
      for (int h = 0; h < 2; h++) low[r][h] = high[r][h] = _mm256_setzero_si256();
    for (size_t k = start; k < end; k += 4) {
      __m256i w[2] = {
          _mm256_loadu_si256((const __m256i *)(panel + k * 16)),
          _mm256_loadu_si256((const __m256i *)(panel + k * 16 + 32))};
#pragma unroll
      for (int r = 0; r < count; r++) {
        __m256i x = _mm256_set1_epi32(FN(four)(rows + (size_t)r * inputs + k));
#pragma unroll
        for (int h = 0; h < 2; h++) {
          __m256i pairs = _mm256_maddubs_epi16(x, w[h]);
          low[r][h] = _mm256_add_epi16(low[r][h], pairs);
          high[r][h] = _mm256_add_epi16(high[r][h], _mm256_srai_epi16(pairs, 8));
        }
      }
    }
    for (int r = 0; r < count; r++) {
      for (int h = 0; h < 2; h++) {
        __m256i rest = _mm256_sub_epi16(low[r][h], _mm256_slli_epi16(high[r][h], 8));
        __m256i sum = _mm256_add_epi32(_mm256_and_si256(rest, lower), _mm256_srli_epi32(rest, 16));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(high[r][h], scale));
        total[r][h] = _mm256_add_epi32(total[r][h], sum);
      }
    }
  }
  for (int r = 0; r < count; r++)
    for (int h = 0; h < 2; h++) _mm256_storeu_si256((__m256i *)(sums + r * 16 + h * 8), total[r][h]);
}

static void FN(tile)(int count, TILE_ARGUMENTS) {
  switch (count) {
    case 1: return FN(tile_of)(1, rows, panel, inputs, sums);
    case 2: return FN(tile_of)(2, rows, panel, inputs, sums);
    default: return FN(tile_of)(3, rows, panel, inputs, sums);
  }
}

INLINE int FN(step)(size_t left) { return left >= 5 || left == 3 ? 3 : left >= 2 ? 2 : 1; }

#elif PATH == PATH_AVX_VNNI || PATH == PATH_AVX512_VNNI

#if PATH == PATH_AVX_VNNI
typedef __m256i FN(wide);
enum { FN(parts) = 2, FN(full) = 6 };
#define ZERO _mm256_setzero_si256()
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define FILL _mm256_set1_epi32
#define DOT _mm256_dpbusd_avx_epi32
#else
typedef __m512i FN(wide);
enum { FN(parts) = 1, FN(full) = 12 };
#define ZERO _mm512_setzero_si512()
#define LOAD(p) _mm512_loadu_si512((const void *)(p))
#define STORE(p, v) _mm512_storeu_si512((void *)(p), v)
#define FILL _mm512_set1_epi32
#define DOT _mm512_dpbusd_epi32
#endif

INLINE void FN(tile_of)(int count, const uint8_t *rows, const int8_t *panel, size_t inputs, int32_t *sums) {
  FN(wide) total[FN(full)][FN(parts)];
  for (int r = 0; r < count; r++)
    for (int h = 0; h < FN(parts); h++) total[r][h] = ZERO;
  for (size_t k = 0; k < inputs; k += 4) {
    FN(wide) w[FN(parts)];
    for (int h = 0; h < FN(parts); h++) w[h] = LOAD(panel + k * 16 + (size_t)h * sizeof(FN(wide)));
#pragma unroll
    for (int r = 0; r < count; r++) {
      FN(wide) x = FILL(FN(four)(rows + (size_t)r * inputs + k));
#pragma unroll
      for (int h = 0; h < FN(parts); h++) total[r][h] = DOT(total[r][h], x, w[h]);
    }
  }
  for (int r = 0; r < count; r++)
    for (int h = 0; h < FN(parts); h++) STORE(sums + r * 16 + (size_t)h * sizeof(FN(wide)) / 4, total[r][h]);
}

static void FN(tile)(int count, const uint8_t *rows, const int8_t *panel, size_t inputs, int32_t *sums) {
  switch (count) {
    case 1: return FN(tile_of)(1, rows, panel, inputs, sums);
    case 2: return FN(tile_of)(2, rows, panel, inputs, sums);
    case 4: return FN(tile_of)(4, rows, panel, inputs, sums);
    default: return FN(tile_of)(FN(full), rows, panel, inputs, sums);
  }
}

INLINE int FN(step)(size_t left) { return left >= FN(full) ? FN(full) : left >= 4 ? 4 : left >= 2 ? 2 : 1; }

#undef ZERO
#undef LOAD
#undef STORE
#undef FILL
#undef DOT

#elif PATH == PATH_NEON_DOT

// The instruction takes signed bytes, and inputs of 7 bits are.
INLINE void FN(tile_of)(int count, const uint8_t *rows, const int8_t *panel, size_t inputs, int32_t *sums) {
  int32x4_t total[4][4];
  for (int h = 0; h < 4; h++)
    for (int r = 0; r < count; r++) total[r][h] = vdupq_n_s32(0);
  for (size_t k = 0; k < inputs; k += 4) {
    int8x16_t w[4];
    for (int h = 0; h < 4; h++) w[h] = vld1q_s8(panel + k * 16 + (size_t)h * 16);
#pragma unroll
    for (int r = 0; r < count; r++) {
      int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(FN(four)(rows + (size_t)r * inputs + k)));
#pragma unroll
      for (int h = 0; h < 4; h++) total[r][h] = vdotq_s32(total[r][h], x, w[h]);
    }
  }
  for (int r = 0; r < count; r++)
    for (int h = 0; h < 4; h++) vst1q_s32(sums + r * 16 + h * 4, total[r][h]);
}

static void FN(tile)(int count, const uint8_t *rows, const int8_t *panel, size_t inputs, int32_t *sums) {
  switch (count) {
    case 1: return FN(tile_of)(1, rows, panel, inputs, sums);
    case 2: return FN(tile_of)(2, rows, panel, inputs, sums);
    default: return FN(tile_of)(4, rows, panel, inputs, sums);
  }
}

INLINE int FN(step)(size_t left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }

#else

static void FN(tile)(int count, const uint8_t *rows, const int8_t *panel, size_t inputs, int32_t *sums) {
  (void)count;
  int32_t total[16] = {0};
  for (size_t k = 0; k < inputs; k += 4) {
    for (int output = 0; output < 16; output++) {
      const int8_t *w = panel + k * 16 + output * 4;
      total[output] += rows[k] * w[0] + rows[k + 1] * w[1] + rows[k + 2] * w[2] + rows[k + 3] * w[3];
    }
  }
  memcpy(sums, total, sizeof total);
}

INLINE int FN(step)(size_t left) {
  (void)left;
  return 1;
}

#endif

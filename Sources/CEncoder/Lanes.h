// Eight binary32 numbers at a time, in plain vector types: two registers where there are only 128 bits, and the same
// bits everywhere. Included once for each path, see CEncoder.c.

INLINE lanes FN(load)(const float *from) { return *(const loose *)from; }
INLINE void FN(store)(float *to, lanes value) { *(loose *)to = value; }
INLINE lanes FN(fill)(float value) { return (lanes){value, value, value, value, value, value, value, value}; }
INLINE lanes FN(larger)(lanes a, lanes b) { return a > b ? a : b; }
INLINE lanes FN(smaller)(lanes a, lanes b) { return a < b ? a : b; }
/// To the nearest whole number, halves to even; for |x| < 2^22.
INLINE lanes FN(whole)(lanes x) { return (x + 12582912.0f) - 12582912.0f; }
INLINE lanes FN(bytes)(const int8_t *from) {
  signed_bytes eight;
  memcpy(&eight, from, 8);
  return __builtin_convertvector(eight, lanes);
}

INLINE int32_t FN(four)(const void *from) {
  int32_t value;
  memcpy(&value, from, 4);
  return value;
}

INLINE float FN(sum_of)(lanes x) {
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

INLINE float FN(largest_of)(lanes x) {
  float largest = x[0];
  for (int i = 1; i < 8; i++) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

/// e^x to two units in the last place, for x in [-87, 87] and the nearer bound outside; the polynomial is that of
/// Moshier's Cephes library (expf).
INLINE lanes FN(exponential)(lanes x) {
  x = FN(smaller)(FN(larger)(x, FN(fill)(-87.0f)), FN(fill)(87.0f));
  lanes n = FN(whole)(x * 1.44269504088896341f);
  lanes r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r) * r + r + 1.0f;
  return p * (lanes)((__builtin_convertvector(n, ints) + 127) << 23);
}

/// x times the normal distribution function, with erfc as in Abramowitz and Stegun 7.1.26: within 1.5e-7 x |x|.
INLINE lanes FN(gelu)(lanes x) {
  lanes z = FN(larger)(x, -x) * 0.70710678118654752f;
  lanes t = 1.0f / (z * 0.3275911f + 1.0f);
  lanes p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  lanes tail = (x * 0.5f) * ((p * t) * FN(exponential)(-(z * z)));
  return x > 0.0f ? x - tail : tail;
}

INLINE lanes FN(tangent)(lanes x) { return 1.0f - 2.0f / (FN(exponential)(x * 2.0f) + 1.0f); }

/// One row to bytes from 0 to 127; 0 always has a byte of its own.
static void FN(quantise)(const float *row, size_t count, uint8_t *bytes, float *scale, int32_t *zero) {
  lanes low = {0}, high = {0};
  for (size_t i = 0; i < count; i += 8) {
    lanes x = FN(load)(row + i);
    low = FN(smaller)(low, x);
    high = FN(larger)(high, x);
  }
  float bottom = -FN(largest_of)(-low), range = FN(largest_of)(high) - bottom;
  if (!(range > 1e-30f)) range = 1e-30f;
  float inverse = 127.0f / range;
  *scale = range / 127.0f;
  int32_t middle = (int32_t)FN(whole)(FN(fill)(-bottom * inverse))[0];
  *zero = middle;
  for (size_t i = 0; i < count; i += 8) {
    ints value = __builtin_convertvector(FN(whole)(FN(load)(row + i) * inverse), ints) + middle;
    value = value < 0 ? (ints){0} : value;
    value = value > 127 ? (ints){127, 127, 127, 127, 127, 127, 127, 127} : value;
    unsigned_bytes narrow = __builtin_convertvector(value, unsigned_bytes);
    memcpy(bytes + i, &narrow, 8);
  }
}

/// row = norm(row + more); `more` may be NULL.
static void FN(normalise)(float *row, const float *more, size_t count, const cencoder_norm *norm) {
  lanes sum = {0}, squares = {0};
  for (size_t i = 0; i < count; i += 8) {
    lanes x = FN(load)(row + i);
    if (more) x += FN(load)(more + i);
    FN(store)(row + i, x);
    sum += x;
  }
  float mean = FN(sum_of)(sum) / (float)count;
  for (size_t i = 0; i < count; i += 8) {
    lanes x = FN(load)(row + i) - mean;
    squares += x * x;
  }
  // Of vectors, so that it is an instruction and not libm's function with its errno.
  lanes deviation = __builtin_elementwise_sqrt(FN(fill)(FN(sum_of)(squares) / (float)count + 1e-12f));
  float factor = 1.0f / deviation[0];
  for (size_t i = 0; i < count; i += 8) {
    lanes x = (FN(load)(row + i) - mean) * factor;
    FN(store)(row + i, x * FN(load)(norm->weight + i) + FN(load)(norm->bias + i));
  }
}

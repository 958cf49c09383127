#include "CScoring.h"

#include <math.h>

// Fused operations round once where others round twice: without them every processor gets the same values.
#pragma STDC FP_CONTRACT OFF

static inline __attribute__((always_inline)) void values_of(
    const cscoring_layer *layer, const float *sums, float *units, float *values) {
  float sum[32];
  for (int unit = 0; unit < 32; unit++) sum[unit] = layer->unit_bias[unit];
  for (int input = 0; input < 16; input++)
    for (int unit = 0; unit < 32; unit++) sum[unit] += layer->into[input][unit] * sums[input];
  float value[16];
  for (int head = 0; head < 16; head++) value[head] = layer->bias[head];
  for (int input = 0; input < 16; input++)
    for (int head = 0; head < 16; head++) value[head] += layer->straight[input][head] * sums[input];
  for (int unit = 0; unit < 32; unit++) {
    float active = sum[unit] > 0 ? sum[unit] : 0;
    units[unit] = active;
    for (int head = 0; head < 16; head++) value[head] += layer->out[unit][head] * active;
  }
  for (int head = 0; head < 16; head++) values[head] = value[head];
}

#if defined(__x86_64__)
// The same lines with wider registers: every number comes out of the same operations in the same order.
__attribute__((target("avx2"))) static void values_avx2(
    const cscoring_layer *layer, const float *sums, float *units, float *values) {
  values_of(layer, sums, units, values);
}
#endif

void cscoring_values(const cscoring_layer *layer, const float *sums, float *units, float *values) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return values_avx2(layer, sums, units, values);
#endif
  values_of(layer, sums, units, values);
}

static inline void learn(
    float *restrict weights, float *restrict squares, const float *restrict gradient, float factor, float rate,
    int count) {
  for (int index = 0; index < count; index++) {
    float slope = gradient[index] * factor;
    squares[index] += slope * slope;
    weights[index] -= rate * slope / sqrtf(squares[index]);
  }
}

void cscoring_learn_layer(
    cscoring_layer *layer, cscoring_layer *squares, const float *sums, const float *units, const float *errors,
    float rate, float *gradient) {
  float unit_gradient[32];
  for (int unit = 0; unit < 32; unit++) {
    unit_gradient[unit] = 0;
    if (units[unit] <= 0) continue;
    for (int head = 0; head < 16; head++) unit_gradient[unit] += layer->out[unit][head] * errors[head];
    learn(layer->out[unit], squares->out[unit], errors, units[unit], rate, 16);
  }
  for (int input = 0; input < 16; input++) {
    float sum = 0;
    for (int head = 0; head < 16; head++) sum += layer->straight[input][head] * errors[head];
    for (int unit = 0; unit < 32; unit++) sum += layer->into[input][unit] * unit_gradient[unit];
    gradient[input] = sum;
    learn(layer->straight[input], squares->straight[input], errors, sums[input], rate, 16);
    learn(layer->into[input], squares->into[input], unit_gradient, sums[input], rate, 32);
  }
  learn(layer->unit_bias, squares->unit_bias, unit_gradient, 1, rate, 32);
  learn(layer->bias, squares->bias, errors, 1, rate, 16);
}

void cscoring_learn_rows(
    float *table, float *squares, const uint32_t *rows, size_t count, const float *gradient, float rate, float decay) {
  for (size_t index = 0; index < count; index++) {
    float *restrict row = table + (size_t)rows[index] * 16;
    float *restrict square = squares + (size_t)rows[index] * 16;
    for (int head = 0; head < 16; head++) {
      square[head] += gradient[head] * gradient[head];
      row[head] -= rate * (gradient[head] / sqrtf(square[head]) + decay * row[head]);
    }
  }
}

// Times the encoder with random weights of the usual sizes: for every line "PATH TOKENS SEQUENCES RUNS" on standard input
// it prints the processor seconds of that many runs and the bytes of scratch; with 0 sequences those of the convolutional
// network that looks first, over one. PATH is that of CEncoder.h, or -1 for the
// best.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "CEncoder.h"

enum { hidden = 384, inner = 1536, layers = 6, words = 30522, positions = 512, outputs = 16 };
enum { projected = 64, channels = 192, features = 64 };

static unsigned state = 1;

static unsigned draw(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

static void *space(size_t bytes) {
  void *pointer = NULL;
  if (posix_memalign(&pointer, 64, bytes)) exit(1);
  return pointer;
}

static int8_t *integers(size_t count) {
  int8_t *numbers = space(count);
  for (size_t i = 0; i < count; i++) numbers[i] = (int8_t)((int)(draw() % 255) - 127);
  return numbers;
}

static float *floats(size_t count, float middle, float spread) {
  float *numbers = space(count * sizeof(float));
  for (size_t i = 0; i < count; i++) numbers[i] = middle + spread * ((float)(draw() % 2001) / 1000 - 1);
  return numbers;
}

static cencoder_linear linear(size_t inputs, size_t width) {
  int8_t *weights = integers(inputs * width);
  int32_t *sums = space(width * sizeof(int32_t));
  for (size_t o = 0; o < width; o++) {
    sums[o] = 0;
    for (size_t k = 0; k < inputs; k++) sums[o] += weights[o / 16 * 16 * inputs + k / 4 * 64 + o % 16 * 4 + k % 4];
  }
  return (cencoder_linear){weights, floats(width, 1e-3f, 0), sums, floats(width, 0, 0.1f), inputs, width};
}

static cencoder_norm norm(void) { return (cencoder_norm){floats(hidden, 1, 0.1f), floats(hidden, 0, 0.1f)}; }

static cencoder_table table(size_t rows, size_t width) {
  return (cencoder_table){integers(rows * width), floats(rows, 1e-3f, 0)};
}

static cencoder_head head(size_t inputs, size_t count) {
  return (cencoder_head){inputs, count, outputs, table(count, inputs), floats(count, 0, 0.1f),
                         floats(outputs * count, 0, 0.1f), floats(outputs, 0, 0.1f)};
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(void) {
  cencoder_layer layer[layers];
  for (int i = 0; i < layers; i++)
    layer[i] = (cencoder_layer){linear(hidden, 3 * hidden), linear(hidden, hidden), linear(hidden, inner),
                                linear(inner, hidden), norm(), norm()};
  cencoder_model model = {hidden, hidden / 32, inner, layers, table(words, hidden), table(positions, hidden),
                          floats(2 * hidden, 0, 0.1f), norm(), layer, head(2 * hidden, hidden)};
  cencoder_convolution look = {model.words, linear(hidden, projected), floats(2 * projected, 0, 0.1f),
                               linear(5 * projected, channels), linear(3 * channels, channels),
                               head(2 * channels, features)};
  static uint32_t ids[positions], lengths[positions];
  static uint8_t types[positions];
  static float found[positions * hidden], logits[positions * outputs];
  for (int i = 0; i < positions; i++) ids[i] = draw() % words;
  int path, tokens, sequences, runs;
  while (scanf("%d %d %d %d", &path, &tokens, &sequences, &runs) == 4) {
    if (tokens < 1 || sequences < 0 || tokens * (sequences ? sequences : 1) > positions) return 1;
    if (path < 0) path = cencoder_best();
    for (int i = 0; i < sequences; i++) lengths[i] = (uint32_t)tokens;
    size_t bytes = sequences ? cencoder_scratch(&model, (size_t)(tokens * sequences))
                             : cencoder_convolution_scratch(&look, (size_t)tokens);
    void *scratch = space(bytes);
    double start = seconds();
    for (int run = 0; run < runs; run++) {
      if (sequences)
        cencoder_run(path, &model, ids, types, lengths, (size_t)sequences, scratch, found, logits);
      else
        cencoder_convolve(path, &look, ids, types, (size_t)tokens, scratch, logits);
    }
    printf("%.6f %zu\n", seconds() - start, bytes);
    fflush(stdout);
    free(scratch);
  }
}

// A BERT encoder over 8-bit integers, on one thread, without a library and without memory of its own.
//
// Weights are symmetric signed bytes, -127 to 127, one scale an output. What a layer reads is quantised a token at a time
// to 7 bits, 0 to 127, with a scale and a zero point. A pair of products is then at most 2 x 127 x 127 < 2^15, so no
// instruction saturates and every path comes to the same integer sums. The bit is missing where it costs less: with 7 bits
// for weights and 8 for what they meet, logits are three to four times as far from those of binary32. Everything else is
// binary32 in a fixed order without fused operations: the same input gives the same bits on every path and processor.
#ifndef CENCODER_H
#define CENCODER_H

#include <stddef.h>
#include <stdint.h>

/// The instructions that a call uses; all give the same bits.
enum cencoder_path {
  cencoder_portable = 0,
  cencoder_avx2 = 1,
  cencoder_avx_vnni = 2,
  cencoder_avx512_vnni = 3,
  cencoder_neon_dot = 4,
};

/// Whether this processor has the instructions.
int cencoder_supports(int path);
/// The fastest path that it has.
int cencoder_best(void);

/// y = x W + b. `inputs` is a multiple of 4, `outputs` one of 16.
///
/// `weights` lie in panels of 16 outputs; a panel holds, for four inputs after four inputs, 16 groups of 4 signed bytes,
/// a group an output: the order in which they are read. `sums` holds each output's sum of weights, for the zero points.
typedef struct {
  const int8_t *weights;
  const float *scales;
  const int32_t *sums;
  const float *bias;
  size_t inputs;
  size_t outputs;
} cencoder_linear;

/// The scale and shift of a layer normalisation.
typedef struct {
  const float *weight;
  const float *bias;
} cencoder_norm;

/// Attention and feed-forward, each followed by its normalisation. `qkv` gives queries, keys and values side by side.
typedef struct {
  cencoder_linear qkv, out, up, down;
  cencoder_norm norm1, norm2;
} cencoder_layer;

/// Signed bytes, row by row, with a scale a row.
typedef struct {
  const int8_t *rows;
  const float *scales;
} cencoder_table;

/// What reads the mean and the maximum of all tokens: a layer with tanh, and one of logits.
typedef struct {
  /// `inputs` and `features` are multiples of 8.
  size_t inputs, features, outputs;
  /// `features` rows of `inputs`.
  cencoder_table table;
  const float *bias;
  /// `outputs` rows of `features`.
  const float *last;
  const float *last_bias;
} cencoder_head;

/// A model. `hidden` is 32 x `heads`; nothing is checked here.
typedef struct {
  size_t hidden, heads, inner, layers;
  cencoder_table words, positions;
  /// 2 x `hidden`.
  const float *types;
  cencoder_norm norm;
  const cencoder_layer *layer;
  /// `features` is `hidden`.
  cencoder_head head;
} cencoder_model;

/// How many bytes of scratch `cencoder_run` needs for so many tokens: 5 KB a token and 0.7 MB for the usual sizes.
size_t cencoder_scratch(const cencoder_model *model, size_t tokens);

/// Runs `sequences` sequences; the tokens of all lie one after the other in `ids` and `types` (0 or 1).
///
/// Each sequence gives `hidden` features (after tanh) and the head's logits. How sequences are grouped into calls changes
/// no bit. `scratch` is aligned to 64; every id lies in the table, no sequence is empty or longer than the positions.
void cencoder_run(
    int path, const cencoder_model *model, const uint32_t *ids, const uint8_t *types, const uint32_t *lengths,
    size_t sequences, void *scratch, float *features, float *logits);

/// A convolutional network over the encoder's table of words: words projected, two convolutions with rectifiers, the second
/// added to what it reads, and a head. A convolution sees an odd number of neighbouring tokens, which are the inputs of a
/// linear layer side by side; before the first token and after the last there are zeros.
typedef struct {
  cencoder_table words;
  /// From a word's row; outputs are what the first convolution sees of a token.
  cencoder_linear project;
  /// 2 x what a token is projected to, added.
  const float *types;
  /// `outputs` of both are the same, no more than `cencoder_most_channels`.
  cencoder_linear first, second;
  /// No more features than `cencoder_most_channels`.
  cencoder_head head;
} cencoder_convolution;

enum { cencoder_most_channels = 512 };

/// How many bytes of scratch `cencoder_convolve` needs for so many tokens.
size_t cencoder_convolution_scratch(const cencoder_convolution *model, size_t tokens);

/// Reads one sequence of `count` tokens, at least one, and gives the head's logits. See `cencoder_run` for the rest.
void cencoder_convolve(
    int path, const cencoder_convolution *model, const uint32_t *ids, const uint8_t *types, size_t count, void *scratch,
    float *logits);

/// The integer sums alone: `count` rows of `inputs` unsigned bytes by panels of weights; `sums` takes `count` x
/// `outputs`. For tests.
void cencoder_sums(
    int path, const uint8_t *rows, size_t count, const int8_t *panels, size_t inputs, size_t outputs, int32_t *sums);

#endif

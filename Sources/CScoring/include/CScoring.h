// The inner loops of the embedded model: text to hashed features, and features to sums of table rows. Integers, so that
// every machine gets the same sums.
#ifndef CSCORING_H
#define CSCORING_H

#include <stddef.h>
#include <stdint.h>

/// Bytes of a word after which it is cut, so that a text without separators has features too.
enum { cscoring_word_bytes = 48 };

/// Where a reader stands in a text. To begin: text, length, seeds and grams are set, the rest is zero.
typedef struct {
  const uint8_t *text;
  size_t length;
  size_t position;
  uint64_t seed;
  /// Not 0 where stretches of four bytes inside words count as well.
  int32_t grams;
  /// Hashes of the last word and the one before, 0 where there was none.
  uint64_t previous;
  uint64_t before;
  /// Not 0 where every word counts in a second space as well, with a seed of its own; the same of its words.
  uint64_t second_seed;
  uint64_t second_previous;
  uint64_t second_before;
} cscoring_reader;

/// How many hashes `cscoring_read` writes at most for so many bytes from the reader's position to its limit: three for
/// each word and space, where a word has two bytes with what separates it, and one for each byte; the last word may reach
/// behind the limit.
#define CSCORING_CAPACITY(bytes) (4 * ((bytes) + cscoring_word_bytes) + 16)
static inline size_t cscoring_capacity(size_t bytes) { return CSCORING_CAPACITY(bytes); }

/// Writes the hash of every feature of the words that begin before `limit` and were not read yet; returns how many.
/// A bucket of a table of 2^bits rows is the top bits of a hash.
size_t cscoring_read(cscoring_reader *reader, size_t limit, uint32_t *hashes);

/// Sums of rows.
typedef struct {
  int32_t heads[16];
  int32_t count;
} cscoring_sums;

/// Adds the rows of `table` (2^bits rows of 16 signed bytes) of the features up to `limit`, as `cscoring_read` gives
/// them.
void cscoring_add(cscoring_reader *reader, size_t limit, const void *table, int32_t bits, cscoring_sums *sums);

/// What turns the sums into the values of the heads: a straight part, and a layer of units that are zero below zero. The
/// rows lie in this order in the weights file, too.
typedef struct {
  float into[16][32];
  float unit_bias[32];
  float out[32][16];
  float straight[16][16];
  float bias[16];
} cscoring_layer;

/// How many floats a layer is.
enum { cscoring_layer_floats = sizeof(cscoring_layer) / sizeof(float) };

/// The 16 values for 16 sums; `units` takes the 32 units. In the same order everywhere, so the same to the last bit.
void cscoring_values(const cscoring_layer *layer, const float *sums, float *units, float *values);

/// One step of AdaGrad for 16 errors of the values; `gradient` takes that of the 16 sums.
void cscoring_learn_layer(
    cscoring_layer *layer, cscoring_layer *squares, const float *sums, const float *units, const float *errors,
    float rate, float *gradient);

/// One step of AdaGrad for rows of 16 floats, all with the same gradient; weights shrink by `decay` times the step.
void cscoring_learn_rows(
    float *table, float *squares, const uint32_t *rows, size_t count, const float *gradient, float rate, float decay);

/// The languages of a lexicon's words; 0 is that of no word.
enum { cscoring_english = 1, cscoring_foreign = 2 };

/// Common words, each with a language.
typedef struct cscoring_lexicon cscoring_lexicon;

/// A lexicon without words, which is never let go; null where there is no memory.
cscoring_lexicon *cscoring_make_lexicon(void);

/// Adds a word of at most 16 bytes, in lower case, unless it is there; longer ones, and more than 1 024, are left out.
void cscoring_add_word(cscoring_lexicon *lexicon, const uint8_t *word, size_t count, uint8_t language);

/// What a look at a text finds.
typedef struct {
  /// How many words are in the lexicon, by language.
  int32_t english, foreign;
  /// How many words there are, but for those of more than 16 bytes.
  int32_t words;
  /// Not 0 where a byte is 0xC9 or above: a letter that it begins may be of another script than Latin.
  int32_t beyond;
} cscoring_languages;

/// Counts the words of a text that are in a lexicon. A word is a run of ASCII letters, in any case, and bytes beyond ASCII.
cscoring_languages cscoring_look(const cscoring_lexicon *lexicon, const uint8_t *text, size_t count);

#endif

#include "CScoring.h"

#include <string.h>

// What a byte is; any other value is a letter of a word, folded, where a digit is any digit.
enum { separator = 0, high = 1 };
static const uint8_t classes[256] = {
#define D '0'
    ['0'] = D, ['1'] = D, ['2'] = D, ['3'] = D, ['4'] = D, ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D,
#undef D
#define L(lower) [lower] = lower, [lower - 32] = lower
    L('a'), L('b'), L('c'), L('d'), L('e'), L('f'), L('g'), L('h'), L('i'), L('j'), L('k'), L('l'), L('m'),
    L('n'), L('o'), L('p'), L('q'), L('r'), L('s'), L('t'), L('u'), L('v'), L('w'), L('x'), L('y'), L('z'),
#undef L
    [0x80 ... 0xFF] = high,
};

static const uint64_t prime = 0x00000100000001B3;
static const uint64_t mixer = 0xD6E8FEB86659FD93;

static inline uint32_t mixed(uint64_t hash) { return (uint32_t)(((hash ^ hash >> 32) * mixer) >> 32); }

// A character beyond ASCII: how many bytes it has, and whether it separates words, is a word of its own, or a letter.
typedef struct {
  uint32_t scalar;
  uint32_t width;
  enum { is_separator, is_letter, is_word } kind;
} character;

static inline uint32_t tail(const uint8_t *at) { return *at & 0x3F; }

// A byte that starts no well-formed character is taken as it is, so that any bytes are accepted.
static character decode(const uint8_t *at, size_t left) {
  character found = {*at, 1, is_letter};
  if (*at >= 0xF0 && left >= 4) {
    found.scalar = (*at & 0x07u) << 18 | tail(at + 1) << 12 | tail(at + 2) << 6 | tail(at + 3);
    found.width = 4;
  } else if (*at >= 0xE0 && *at < 0xF0 && left >= 3) {
    found.scalar = (*at & 0x0Fu) << 12 | tail(at + 1) << 6 | tail(at + 2);
    found.width = 3;
  } else if (*at >= 0xC0 && *at < 0xE0 && left >= 2) {
    found.scalar = (*at & 0x1Fu) << 6 | tail(at + 1);
    found.width = 2;
  }
  uint32_t scalar = found.scalar;
  if (scalar >= 0xC0 && scalar <= 0xDE && scalar != 0xD7) {
    found.scalar += 32;
  } else if (scalar < 0xC0 || scalar == 0xD7 || scalar == 0xF7 || (scalar >= 0x2000 && scalar <= 0x206F) ||
             (scalar >= 0x3000 && scalar <= 0x303F) || (scalar >= 0xFF00 && scalar <= 0xFF0F)) {
    found.kind = is_separator;
  } else if ((scalar >= 0x2600 && scalar <= 0x27BF) || (scalar >= 0x3040 && scalar <= 0x30FF) ||
             (scalar >= 0x3400 && scalar <= 0x9FFF) || (scalar >= 0xF900 && scalar <= 0xFAFF) || scalar >= 0x1F000) {
    // Ideographs and kana are not separated by anything, and neither are emoji.
    found.kind = is_word;
  }
  return found;
}

// Where the reader stands among the words, held in registers while it reads.
typedef struct {
  uint64_t previous, before;
} neighbours;

// The word, the pair that it ends, and the pair with a word between.
static inline __attribute__((always_inline)) uint32_t *add_word(neighbours *words, uint64_t hash, uint32_t *out) {
  *out++ = mixed(hash);
  if (words->previous != 0) *out++ = mixed((words->previous * 31) ^ hash);
  if (words->before != 0) *out++ = mixed((words->before * 131) ^ hash ^ 0x5555);
  words->before = words->previous;
  words->previous = hash;
  return out;
}

// Every four bytes of a longer word with its marks: what misspelt and unknown words have in common with known ones.
static inline uint32_t *add_grams(uint64_t seed, const uint8_t *bytes, size_t count, uint32_t *out) {
  for (size_t at = 0; at + 4 <= count; at++) {
    uint32_t gram = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24;
    *out++ = mixed((gram ^ seed) * prime);
  }
  return out;
}

// Compiled once for one space and once for two: each step of a word's hash waits for the one before, so a second hash costs
// next to nothing, and neither do the borders of the words, which are found once.
static inline __attribute__((always_inline)) size_t read_words(
    cscoring_reader *reader, size_t limit, uint32_t *hashes, const int is_twice) {
  const uint8_t *text = reader->text;
  const size_t end = reader->length;
  const uint64_t seed = reader->seed, second = reader->second_seed;
  neighbours words = {reader->previous, reader->before};
  neighbours others = {reader->second_previous, reader->second_before};
  size_t position = reader->position;
  uint32_t *out = hashes;
  if (limit > end) limit = end;
  // The bytes of the word being read, with a mark before and behind; room for a character more than a cut word has.
  uint8_t bytes[cscoring_word_bytes + 16];
  bytes[0] = '<';
  while (position < limit) {
    size_t length = 0;
    uint64_t hash = seed, other = second, alone = 0, other_alone = 0;
    while (position < end && length < cscoring_word_bytes) {
      // Nearly all that comes is a run of letters of ASCII.
      size_t most = cscoring_word_bytes - length < end - position ? cscoring_word_bytes - length : end - position;
      const uint8_t *from = text + position;
      uint8_t *to = bytes + 1 + length;
      size_t run = 0;
      uint8_t folded = high;
      while (run < most && (folded = classes[from[run]]) > high) {
        to[run] = folded;
        hash = (hash ^ folded) * prime;
        if (is_twice) other = (other ^ folded) * prime;
        run++;
      }
      position += run;
      length += run;
      if (run == most) continue;
      if (folded == separator) {
        position++;
        break;
      }
      character next = decode(text + position, end - position);
      position += next.width;
      if (next.kind == is_separator) break;
      if (next.kind == is_word) {
        alone = (seed ^ next.scalar) * prime;
        other_alone = (second ^ next.scalar) * prime;
        break;
      }
      hash = (hash ^ next.scalar) * prime;
      if (is_twice) other = (other ^ next.scalar) * prime;
      for (uint32_t scalar = next.scalar; scalar != 0; scalar >>= 8) bytes[++length] = (uint8_t)scalar;
    }
    if (length > 0) {
      bytes[length + 1] = '>';
      out = add_word(&words, hash, out);
      if (is_twice) out = add_word(&others, other, out);
      if (reader->grams != 0 && length >= 4) out = add_grams(seed, bytes, length + 2, out);
    }
    if (alone != 0) {
      out = add_word(&words, alone, out);
      if (is_twice) out = add_word(&others, other_alone, out);
    }
  }
  reader->position = position;
  reader->previous = words.previous;
  reader->before = words.before;
  reader->second_previous = others.previous;
  reader->second_before = others.before;
  return (size_t)(out - hashes);
}

size_t cscoring_read(cscoring_reader *reader, size_t limit, uint32_t *hashes) {
  return reader->second_seed != 0 ? read_words(reader, limit, hashes, 1) : read_words(reader, limit, hashes, 0);
}

// MARK: Sums

typedef int8_t bytes __attribute__((vector_size(16)));
typedef int16_t words __attribute__((vector_size(32)));

// 16-bit lanes hold this many rows of signed bytes.
enum { batch = 256 };

// The same lines, compiled for what every processor has and for what most have: integer sums come out the same.
#define SUM_ROWS                                                        \
  for (size_t start = 0; start < count; start += batch) {               \
    size_t end = count - start < batch ? count : start + batch;         \
    words narrow = {0};                                                 \
    for (size_t index = start; index < end; index++) {                  \
      bytes row;                                                        \
      memcpy(&row, table + (size_t)(hashes[index] >> shift) * 16, 16);  \
      narrow += __builtin_convertvector(row, words);                    \
    }                                                                   \
    for (int head = 0; head < 16; head++) totals[head] += narrow[head]; \
  }

static void sum_rows(const int8_t *table, const uint32_t *hashes, size_t count, int shift, int32_t *totals) {
  SUM_ROWS
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void sum_rows_avx2(
    const int8_t *table, const uint32_t *hashes, size_t count, int shift, int32_t *totals) {
  SUM_ROWS
}
#endif

// Bytes read before their rows are summed.
enum { stretch = 256 };

void cscoring_add(cscoring_reader *reader, size_t limit, const void *table, int32_t bits, cscoring_sums *sums) {
  uint32_t hashes[CSCORING_CAPACITY(stretch)];
  if (limit > reader->length) limit = reader->length;
  while (reader->position < limit) {
    size_t next = limit - reader->position < stretch ? limit : reader->position + stretch;
    size_t count = cscoring_read(reader, next, hashes);
    sums->count += (int32_t)count;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
      sum_rows_avx2(table, hashes, count, 32 - bits, sums->heads);
      continue;
    }
#endif
    sum_rows(table, hashes, count, 32 - bits, sums->heads);
  }
}

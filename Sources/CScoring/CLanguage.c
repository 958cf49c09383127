#include "CScoring.h"

#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// At most half of the places are filled, so that a word finds one at once.
enum { slots = 2048 };

struct cscoring_lexicon {
  uint64_t words[slots][2];
  // 0 where there is no word.
  uint8_t languages[slots];
  int32_t count;
};

cscoring_lexicon *cscoring_make_lexicon(void) { return calloc(1, sizeof(cscoring_lexicon)); }

// A word of at most 16 bytes as two numbers; what lies behind its end does not count.
typedef struct {
  uint64_t first, second;
} key;

static inline key key_of(const uint8_t *word, size_t count) {
  key found = {0, 0};
  memcpy(&found.first, word, 8);
  if (count < 8) {
    found.first &= ~(uint64_t)0 >> (64 - 8 * count);
  } else if (count > 8) {
    memcpy(&found.second, word + 8, 8);
    found.second &= ~(uint64_t)0 >> (128 - 8 * count);
  }
  return found;
}

// Where a word stands in the lexicon, or would stand: nearly every word of a text finds an empty place at the first look.
static inline size_t place(const cscoring_lexicon *lexicon, key word) {
  uint64_t hash = (word.first ^ word.second * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;
  size_t slot = hash >> 32 & (slots - 1);
  while (lexicon->languages[slot] != 0 &&
         (lexicon->words[slot][0] != word.first || lexicon->words[slot][1] != word.second))
    slot = (slot + 1) & (slots - 1);
  return slot;
}

void cscoring_add_word(cscoring_lexicon *lexicon, const uint8_t *word, size_t count, uint8_t language) {
  uint8_t bytes[16] = {0};
  if (count == 0 || count > sizeof bytes || lexicon->count >= slots / 2) return;
  memcpy(bytes, word, count);
  key found = key_of(bytes, count);
  size_t slot = place(lexicon, found);
  if (lexicon->languages[slot] != 0) return;
  lexicon->words[slot][0] = found.first;
  lexicon->words[slot][1] = found.second;
  lexicon->languages[slot] = language;
  lexicon->count++;
}

static inline int is_letter(uint8_t byte) { return byte >= 0x80 || (uint8_t)((byte | 0x20) - 'a') < 26; }

// Which of 64 bytes are letters, one bit each; they are written to `folded` with those of ASCII in lower case. `beyond` turns
// true where one is 0xC9 or above.
static inline uint64_t fold(const uint8_t *text, uint8_t *folded, int *beyond) {
  uint64_t letters = 0;
#if defined(__SSE2__)
  __m128i highest = _mm_setzero_si128();
  for (int at = 0; at < 64; at += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(text + at));
    __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    // Bytes beyond ASCII compare as negative and are in no range.
    __m128i ascii = _mm_and_si128(
        _mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
    letters |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_or_si128(ascii, bytes)) << at;
    highest = _mm_max_epu8(highest, bytes);
    bytes = _mm_or_si128(bytes, _mm_and_si128(ascii, _mm_set1_epi8(0x20)));
    _mm_storeu_si128((__m128i *)(folded + at), bytes);
  }
  highest = _mm_cmpeq_epi8(_mm_max_epu8(highest, _mm_set1_epi8((char)0xC9)), highest);
  if (_mm_movemask_epi8(highest) != 0) *beyond = 1;
#else
  for (int at = 0; at < 64; at++) {
    uint8_t byte = text[at];
    if (byte >= 0xC9) *beyond = 1;
    if (is_letter(byte)) letters |= (uint64_t)1 << at;
    folded[at] = (uint8_t)((byte | 0x20) - 'a') < 26 ? byte | 0x20 : byte;
  }
#endif
  return letters;
}

cscoring_languages cscoring_look(const cscoring_lexicon *lexicon, const uint8_t *text, size_t count) {
  // By language, from that of no word on.
  int32_t counts[3] = {0};
  cscoring_languages found = {0};
  uint8_t folded[64 + 16] = {0};
  size_t position = 0;
  while (position < count) {
    uint8_t rest[64];
    const uint8_t *block = text + position;
    size_t left = count - position, next = 64;
    if (left < 64) {
      memset(rest, ' ', sizeof rest);
      memcpy(rest, block, left);
      block = rest;
    }
    uint64_t letters = fold(block, folded, &found.beyond);
    while (letters != 0) {
      unsigned start = (unsigned)__builtin_ctzll(letters);
      uint64_t others = ~(letters >> start);
      unsigned length = others != 0 ? (unsigned)__builtin_ctzll(others) : 64;
      if (start + length == 64 && left > 64) {
        // The word may go on behind the block. It is read again from its start, unless it is longer than any that counts.
        if (start > 0) {
          next = start;
        } else {
          for (; next < left && is_letter(text[position + next]); next++)
            if (text[position + next] >= 0xC9) found.beyond = 1;
        }
        break;
      }
      if (length <= 16) counts[lexicon->languages[place(lexicon, key_of(folded + start, length))]]++;
      // The carry runs through the letters of the word.
      letters &= letters + (letters & -letters);
    }
    position += next;
  }
  found.english = counts[cscoring_english];
  found.foreign = counts[cscoring_foreign];
  found.words = counts[0] + found.english + found.foreign;
  return found;
}

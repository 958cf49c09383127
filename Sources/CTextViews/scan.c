#include "CTextViews.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// One bit for each of 64 bytes.
typedef struct {
  uint64_t letters, digits, spaces, beyond, escapes, base64, symbols, strokes;
} masks;

#if defined(__SSE2__)
static inline uint64_t mask(__m128i v) { return (uint64_t)(unsigned)_mm_movemask_epi8(v); }
static inline __m128i is(__m128i v, char byte) { return _mm_cmpeq_epi8(v, _mm_set1_epi8(byte)); }
// For bytes of ASCII; others compare as negative and are in no range.
static inline __m128i in(__m128i v, char low, char high) {
  return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(low - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8(high + 1)));
}
static inline __m128i or(__m128i a, __m128i b) { return _mm_or_si128(a, b); }

static inline masks look(const uint8_t *text) {
  masks m = {0};
  for (int part = 0; part < 4; part++) {
    int at = 16 * part;
    __m128i v = _mm_loadu_si128((const __m128i *)(text + at));
    __m128i dash = is(v, '-');
    m.beyond |= mask(v) << at;
    m.letters |= mask(in(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z')) << at;
    m.digits |= mask(in(v, '0', '9')) << at;
    m.spaces |= mask(in(v, 0, ' ')) << at;
    m.escapes |= mask(or(or(is(v, '%'), is(v, '&')), is(v, '\\'))) << at;
    m.base64 |= mask(or(or(is(v, '+'), is(v, '/')), or(is(v, '_'), dash))) << at;
    m.symbols |= mask(or(or(is(v, '@'), is(v, '$')), or(is(v, '|'), is(v, '!')))) << at;
    m.strokes |= mask(or(is(v, '.'), dash)) << at;
  }
  return m;
}
#else
static inline masks look(const uint8_t *text) {
  masks m = {0};
  for (int at = 0; at < 64; at++) {
    uint8_t byte = text[at], low = byte | 0x20;
    uint64_t bit = (uint64_t)1 << at;
    if (byte >= 0x80) m.beyond |= bit;
    else if (low >= 'a' && low <= 'z') m.letters |= bit;
    else if (byte >= '0' && byte <= '9') m.digits |= bit;
    else if (byte <= ' ') m.spaces |= bit;
    if (byte == '%' || byte == '&' || byte == '\\') m.escapes |= bit;
    if (byte == '+' || byte == '/' || byte == '_' || byte == '-') m.base64 |= bit;
    if (byte == '@' || byte == '$' || byte == '|' || byte == '!') m.symbols |= bit;
    if (byte == '.' || byte == '-') m.strokes |= bit;
  }
  return m;
}
#endif

// Looks up a word of three letters or more in every sixteen bytes, and where it is not common, the next one too. A word
// that goes on past the block is left to the next block.
static unsigned sample(const uint8_t *text, uint64_t letters) {
  uint64_t starts = letters & ~(letters << 1);
  unsigned unknown = 0;
  while (starts) {
    unsigned start = (unsigned)__builtin_ctzll(starts);
    starts &= starts - 1;
    uint64_t rest = ~(letters >> start);
    unsigned length = rest ? (unsigned)__builtin_ctzll(rest) : 64;
    if (start + length >= 64) break;
    if (length < 3) continue;
    if (!ctextviews_is_word(text + start, length)) {
      if (++unknown == 2) return CTEXTVIEWS_UNFAMILIAR;
      continue;
    }
    unknown = 0;
    if (start >= 48) break;
    starts &= ~(uint64_t)0 << (start + 16 & ~15u);
  }
  return 0;
}

static inline unsigned judge(const uint8_t *text, size_t count) {
  masks m = look(text);
  unsigned found = 0;
  if (m.beyond) found |= CTEXTVIEWS_BEYOND_ASCII;
  if (m.escapes) found |= CTEXTVIEWS_ESCAPES;
  uint64_t units = m.letters | m.digits;
  // What stands outside the block counts as a gap: that finds too much, never too little.
  uint64_t single = units & ~(units << 1) & ~(units >> 1);
  // Word gaps may be wider, so two in a row and a third nearby; wider gaps between letters too, or there are many.
  uint64_t pairs = single & (single >> 2 & (single >> 4 | single >> 5 | single >> 6 | single >> 7) |
                             single >> 3 & (single >> 6 | single >> 7 | single >> 8));
  if (pairs || __builtin_popcountll(single) >= 6) found |= CTEXTVIEWS_SPACED;
  uint64_t marks = ~(m.letters | m.digits | m.spaces | m.beyond);
  if (count < 64) marks &= ((uint64_t)1 << count) - 1;
  uint64_t before = m.letters << 1, after = m.letters >> 1;
  if ((marks & before & (after | (marks >> 1 & m.letters >> 2)))) found |= CTEXTVIEWS_SPLIT;
  if ((m.digits & (before | after)) | (m.symbols & after)) found |= CTEXTVIEWS_LEET;
  uint64_t run = m.letters | m.digits | m.base64;
  run &= run >> 1;
  run &= run >> 2;
  run &= run >> 4;
  run &= run >> 8;
  if (run) found |= CTEXTVIEWS_LONG_RUN;
  uint64_t solid = ~m.spaces;
  if (count < 64) solid &= ((uint64_t)1 << count) - 1;
  int codes = __builtin_popcountll(m.digits | m.strokes);
  // A list may begin or end in the block, so a fifth is enough.
  if (codes >= 8 && codes * 5 >= __builtin_popcountll(solid)) found |= CTEXTVIEWS_CODES;
  return found | sample(text, m.letters);
}

unsigned ctextviews_scan(const uint8_t *text, size_t count) { return ctextviews_scan_for(text, count, 0); }

unsigned ctextviews_scan_for(const uint8_t *text, size_t count, unsigned enough) {
  unsigned found = 0;
  size_t position = 0;
  // Blocks overlap by the longest pattern.
  for (; position + 64 <= count; position += 48) {
    found |= judge(text + position, 64);
    if (found & enough) return found;
  }
  if (position < count && (position == 0 || position + 16 < count)) {
    uint8_t rest[64];
    memset(rest, ' ', sizeof rest);
    memcpy(rest, text + position, count - position);
    found |= judge(rest, count - position);
  }
  return found;
}

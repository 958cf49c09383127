#ifndef CTEXTVIEWS_H
#define CTEXTVIEWS_H

#include <stddef.h>
#include <stdint.h>

/// What a character beyond ASCII reads as, as far as it looks like ASCII or is compatible with it: up to four
/// characters, the first in the lowest byte; 0 where it reads as itself.
uint32_t ctextviews_ascii(uint32_t scalar);

/// Whether ASCII letters, in any case, are one of the common English words (a Bloom filter: about one in five hundred
/// other words passes too). Words above 16 letters never are.
int ctextviews_is_word(const uint8_t *letters, size_t count);

/// How rare each beginning of some ASCII letters, in any case, is as an English word: of one letter, of two and so on, in
/// halves of its surprise in nats; 0 where it is no word. This table knows three times as many words as the other, also
/// names, foreign and misspelt ones, and next to nothing else.
void ctextviews_costs(const uint8_t *letters, size_t count, uint8_t *costs);

/// The most letters of a word whose cost is known.
enum { CTEXTVIEWS_LONGEST_COST = 20 };

/// Bits of `ctextviews_readings` and `ctextviews_rare_readings`.
enum { CTEXTVIEWS_AS_IS = 1, CTEXTVIEWS_ROTATED = 2, CTEXTVIEWS_REVERSED = 4 };

/// In which of its readings (as it stands, moved by thirteen letters, backwards) a word is a common English one.
unsigned ctextviews_readings(const uint8_t *letters, size_t count);

/// In which of its readings a word is one whose cost is known.
unsigned ctextviews_rare_readings(const uint8_t *letters, size_t count);

/// What may be hidden in a text, as far as one look tells. Bits of `ctextviews_scan`.
enum {
  /// A byte beyond ASCII.
  CTEXTVIEWS_BEYOND_ASCII = 1,
  /// Three single letters or digits in a row, each followed by one or two other characters, or many.
  CTEXTVIEWS_SPACED = 2,
  /// A punctuation mark between two letters.
  CTEXTVIEWS_SPLIT = 4,
  /// A digit or symbol beside a letter that may stand for one.
  CTEXTVIEWS_LEET = 8,
  /// Sixteen or more letters, digits and marks of base64 without a gap.
  CTEXTVIEWS_LONG_RUN = 16,
  /// A percent sign, an ampersand or a backslash.
  CTEXTVIEWS_ESCAPES = 32,
  /// Where many characters are digits, dots or dashes.
  CTEXTVIEWS_CODES = 64,
  /// Two words in a row that are not common English ones.
  CTEXTVIEWS_UNFAMILIAR = 128,
};

/// Looks once over a text, 64 bytes at a time, for what can begin a disguise. Some bits too many are possible, none too
/// few except that a word is looked up only every 16 bytes.
unsigned ctextviews_scan(const uint8_t *text, size_t count);

/// The same, but looks no further where it has found one of the signs that are `enough`.
unsigned ctextviews_scan_for(const uint8_t *text, size_t count, unsigned enough);

#endif

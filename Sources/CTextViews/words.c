#include "CTextViews.h"

#include <string.h>

// Written by scripts/text-tables: 2 to the power of 18 bits, four for each word.
static const uint64_t bits[4096] = {
#include "words.inc"
};

// Written by scripts/text-tables: places of a word's 27 bits and five for what it costs, little-endian; 0 where free.
enum { costPlaces = 65536 };
#pragma clang diagnostic ignored "-Wc23-extensions"
static const uint8_t costs[4 * costPlaces] __attribute__((aligned(64))) = {
#embed "words.costs"
};

static int has(uint64_t index) { return bits[index >> 6] >> (index & 63) & 1; }

static inline uint64_t load(const uint8_t *bytes, size_t count) {
  uint64_t value = 0;
  memcpy(&value, bytes, count);
  return value | 0x2020202020202020;
}

// Two loads that overlap cover a word of any length. The table was made for machines that are little-endian.
static inline int holds(const uint8_t *letters, size_t count) {
  uint64_t first, rest;
  if (count >= 8) {
    first = load(letters, 8);
    rest = load(letters + count - 8, 8);
  } else if (count >= 4) {
    first = load(letters, 4);
    rest = load(letters + count - 4, 4);
  } else {
    first = letters[0] | 0x20;
    rest = (uint64_t)(letters[count / 2] | 0x20) << 8 | letters[count - 1] | 0x20;
  }
  uint64_t hash = (first + count) * 0xD6E8FEB86659FD93 ^ rest * 0x9E3779B97F4A7C15;
  hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93;
  if (!has(hash >> 46) || !has(hash >> 20 & 0x3FFFF)) return 0;
  hash *= 0x9E3779B97F4A7C15;
  return has(hash >> 46) && has(hash >> 20 & 0x3FFFF);
}

int ctextviews_is_word(const uint8_t *letters, size_t count) {
  return count > 0 && count <= 16 && holds(letters, count);
}

unsigned ctextviews_readings(const uint8_t *letters, size_t count) {
  if (count == 0 || count > 16) return 0;
  uint8_t rotated[16], reversed[16];
  for (size_t index = 0; index < count; index++) {
    uint8_t letter = letters[index] | 0x20;
    rotated[index] = letter < 'n' ? letter + 13 : letter - 13;
    reversed[count - 1 - index] = letter;
  }
  return (holds(letters, count) ? CTEXTVIEWS_AS_IS : 0) | (holds(rotated, count) ? CTEXTVIEWS_ROTATED : 0)
      | (holds(reversed, count) ? CTEXTVIEWS_REVERSED : 0);
}

// What a word costs whose letters were mixed to this; 0 where it is none.
static inline uint8_t cost_of(uint64_t state) {
  uint64_t hash = state * 0x9E3779B97F4A7C15;
  for (size_t place = hash >> 48;; place = (place + 1) % costPlaces) {
    uint32_t entry;
    memcpy(&entry, costs + 4 * place, sizeof entry);
    if (entry == 0) return 0;
    if (entry >> 5 == (hash >> 16 & 0x7FFFFFF)) return entry & 31;
  }
}

static const uint64_t no_letters = 0xCBF29CE484222325;

static inline uint64_t mix(uint64_t state, uint8_t letter) { return (state ^ letter) * 0x100000001B3; }

unsigned ctextviews_rare_readings(const uint8_t *letters, size_t count) {
  if (count == 0 || count > CTEXTVIEWS_LONGEST_COST) return 0;
  uint64_t plain = no_letters, rotated = no_letters, reversed = no_letters;
  for (size_t index = 0; index < count; index++) {
    uint8_t letter = letters[index] | 0x20;
    plain = mix(plain, letter);
    rotated = mix(rotated, letter < 'n' ? letter + 13 : letter - 13);
    reversed = mix(reversed, letters[count - 1 - index] | 0x20);
  }
  return (cost_of(plain) ? CTEXTVIEWS_AS_IS : 0) | (cost_of(rotated) ? CTEXTVIEWS_ROTATED : 0)
      | (cost_of(reversed) ? CTEXTVIEWS_REVERSED : 0);
}

void ctextviews_costs(const uint8_t *letters, size_t count, uint8_t *found) {
  uint64_t state = no_letters;
  for (size_t index = 0; index < count; index++) {
    state = mix(state, letters[index] | 0x20);
    found[index] = cost_of(state);
  }
}

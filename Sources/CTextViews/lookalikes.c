#include "CTextViews.h"

#include <stddef.h>

typedef struct {
  uint32_t scalar;
  char text[5];
} entry;

static const entry entries[] = {
#include "lookalikes.inc"
};

uint32_t ctextviews_ascii(uint32_t scalar) {
  size_t low = 0, high = sizeof entries / sizeof entries[0];
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (entries[middle].scalar < scalar) low = middle + 1;
    else high = middle;
  }
  if (low == sizeof entries / sizeof entries[0] || entries[low].scalar != scalar) return 0;
  uint32_t packed = 0;
  for (int index = 0; index < 4 && entries[low].text[index]; index++) packed |= (uint32_t)(uint8_t)entries[low].text[index] << 8 * index;
  return packed;
}

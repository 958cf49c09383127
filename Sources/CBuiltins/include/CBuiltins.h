// Files of policies/ and the OpenAPI contract, inside the binary.
#ifndef CBUILTINS_H
#define CBUILTINS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *path; ///< relative to policies/, as `taxonomies/llama-guard-3.yaml`
  const uint8_t *bytes;
  size_t count;
} cbuiltins_file;

size_t cbuiltins_count(void);
cbuiltins_file cbuiltins_at(size_t index);

#endif

#include "CCrypto.h"

// The calls of SHA-256 alone, which take their state from the stack: those that find an algorithm by its name take three
// pieces of memory for each digest, and most digests here are of a few hundred bytes.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

int ccrypto_sha256(const void *bytes, size_t count, uint8_t *digest) {
  SHA256_CTX state;
  return SHA256_Init(&state) == 1 && SHA256_Update(&state, bytes, count) == 1 && SHA256_Final(digest, &state) == 1;
}

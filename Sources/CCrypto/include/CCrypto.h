// Digests from libcrypto; TLS lives elsewhere, so pure rooms may use this.
#ifndef CCRYPTO_H
#define CCRYPTO_H

#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

/// Writes 32 bytes to `digest`; returns 1 on success.
static inline int ccrypto_sha256(const void *bytes, size_t count, uint8_t *digest) {
  unsigned int length = 0;
  return EVP_Digest(bytes, count, digest, &length, EVP_sha256(), (ENGINE *)0) == 1 && length == 32;
}

#endif

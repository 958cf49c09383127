// Digests from libcrypto; TLS lives elsewhere, so pure rooms may use this.
#ifndef CCRYPTO_H
#define CCRYPTO_H

#include <stddef.h>
#include <stdint.h>

/// Writes 32 bytes to `digest`; returns 1 on success.
int ccrypto_sha256(const void *bytes, size_t count, uint8_t *digest);

#endif

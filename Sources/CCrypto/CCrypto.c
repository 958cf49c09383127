#include "CCrypto.h"

#include <openssl/evp.h>
#include <stdatomic.h>

// Found once: libcrypto looks the algorithm up by its name at every call otherwise, which takes longer than a short digest.
static EVP_MD *sha256(void) {
  static _Atomic(EVP_MD *) found;
  EVP_MD *known = atomic_load(&found);
  if (known) return known;
  EVP_MD *fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
  if (fetched && !atomic_compare_exchange_strong(&found, &known, fetched)) {
    EVP_MD_free(fetched);
    return known;
  }
  return fetched;
}

int ccrypto_sha256(const void *bytes, size_t count, uint8_t *digest) {
  const EVP_MD *algorithm = sha256();
  unsigned int length = 0;
  return algorithm && EVP_Digest(bytes, count, digest, &length, algorithm, NULL) == 1 && length == 32;
}

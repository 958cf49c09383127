// What OpenSSL offers only as macros, and the callbacks that choose protocol and certificate.
#ifndef COPENSSL_H
#define COPENSSL_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/// A server's context: TLS 1.2 and 1.3, forward secrecy and authenticated ciphers only, no renegotiation, no compression.
SSL_CTX *copenssl_server_context(void);

/// How many days the first certificate of a PEM file is good for; negative where it has expired, INT_MIN where the file
/// cannot be read.
int copenssl_days_left(const char *file);

/// The first error since the queue was empty, in words; empties the queue. At most `count` bytes with the terminating zero.
void copenssl_error(char *text, size_t count);

/// The certificates that a server name chooses from; the first is for clients that name none or an unknown one.
typedef struct {
  SSL_CTX *const *contexts;
  int count;
} copenssl_names;

/// Chooses among `names` by the name that a client sends (RFC 6066 §3). `names` must outlive the context.
void copenssl_choose_by_name(SSL_CTX *context, copenssl_names *names);

/// Clients must show a certificate that the authorities in the file vouch for; 1 on success.
int copenssl_require_client(SSL_CTX *context, const char *authorities);

/// What became of a call.
typedef enum {
  copenssl_done,
  copenssl_wait,
  copenssl_end,
  copenssl_failed,
} copenssl_outcome;

copenssl_outcome copenssl_accept(SSL *stream);
copenssl_outcome copenssl_read(SSL *stream, void *bytes, size_t capacity, size_t *count);
copenssl_outcome copenssl_write(SSL *stream, const void *bytes, size_t capacity, size_t *count);

/// As `TLSv1.3`.
static inline const char *copenssl_version(const SSL *stream) { return SSL_get_version(stream); }

#endif

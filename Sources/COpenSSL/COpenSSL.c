#include "COpenSSL.h"

#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <string.h>

// HTTP/1.1 and HTTP/1.0 as ALPN writes them (RFC 7301 §6).
static const unsigned char protocols[] = "\x08http/1.1\x08http/1.0";

static int choose_protocol(
    SSL *stream, const unsigned char **chosen, unsigned char *count, const unsigned char *offered, unsigned int offered_count,
    void *unused) {
  (void)stream;
  (void)unused;
  if (SSL_select_next_proto(
          (unsigned char **)chosen, count, protocols, sizeof(protocols) - 1, offered, offered_count)
      != OPENSSL_NPN_NEGOTIATED) {
    // A client that speaks none of ours must hear so now, not from a garbled answer (RFC 7301 §3.2).
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *copenssl_server_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (!context) return NULL;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context,
      SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA
          | SSL_OP_SINGLE_DH_USE | SSL_OP_SINGLE_ECDH_USE);
  // One read brings the whole record; buffers are given back while a connection is idle; a write may be continued from
  // another place of memory.
  SSL_CTX_set_mode(
      context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
  static const unsigned char session_context[] = "paddock";
  if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1
      || SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1) != 1) {
    SSL_CTX_free(context);
    return NULL;
  }
  return context;
}

void copenssl_error(char *text, size_t count) {
  // The first one is the cause, the others say what failed because of it.
  unsigned long code = ERR_peek_error();
  const char *reason =
      !code ? NULL : ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
  strncpy(text, reason ? reason : "unknown error", count - 1);
  text[count - 1] = 0;
  ERR_clear_error();
}

static int choose_certificate(SSL *stream, int *alert, void *argument) {
  (void)alert;
  const copenssl_names *names = argument;
  const char *name = SSL_get_servername(stream, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  for (int index = 0; index < names->count; index++) {
    X509 *certificate = SSL_CTX_get0_certificate(names->contexts[index]);
    if (certificate && X509_check_host(certificate, name, 0, 0, NULL) == 1) {
      if (index > 0) SSL_set_SSL_CTX(stream, names->contexts[index]);
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

void copenssl_choose_by_name(SSL_CTX *context, copenssl_names *names) {
  SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(context, names);
}

int copenssl_require_client(SSL_CTX *context, const char *authorities) {
  if (SSL_CTX_load_verify_locations(context, authorities, NULL) != 1) return 0;
  STACK_OF(X509_NAME) *list = SSL_load_client_CA_file(authorities);
  if (!list) return 0;
  SSL_CTX_set_client_CA_list(context, list);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return 1;
}

static copenssl_outcome outcome(SSL *stream, int result) {
  if (result > 0) return copenssl_done;
  switch (SSL_get_error(stream, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return copenssl_wait;
    case SSL_ERROR_ZERO_RETURN: return copenssl_end;
    default: return copenssl_failed;
  }
}

// An interrupted call looks like one that has to wait, but no event would follow: it is made again.
#define UNINTERRUPTED(call)                                \
  copenssl_outcome result;                                 \
  do {                                                     \
    ERR_clear_error();                                     \
    errno = 0;                                             \
    result = outcome(stream, call);                        \
  } while (result == copenssl_wait && errno == EINTR);     \
  return result

copenssl_outcome copenssl_accept(SSL *stream) { UNINTERRUPTED(SSL_accept(stream)); }

copenssl_outcome copenssl_read(SSL *stream, void *bytes, size_t capacity, size_t *count) {
  UNINTERRUPTED(SSL_read_ex(stream, bytes, capacity, count));
}

copenssl_outcome copenssl_write(SSL *stream, const void *bytes, size_t capacity, size_t *count) {
  UNINTERRUPTED(SSL_write_ex(stream, bytes, capacity, count));
}

int copenssl_days_left(const char *file) {
  int days = INT_MIN, seconds = 0;
  BIO *source = BIO_new_file(file, "r");
  X509 *certificate = source ? PEM_read_bio_X509(source, NULL, NULL, NULL) : NULL;
  if (certificate && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1) days = INT_MIN;
  if (days == 0 && seconds < 0) days = -1;
  X509_free(certificate);
  BIO_free(source);
  ERR_clear_error();
  return days;
}

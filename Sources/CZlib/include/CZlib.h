// zlib's macro initialisers, as functions that Swift can import.
#ifndef CZLIB_H
#define CZLIB_H

#include <zlib.h>

/// Inflates gzip (RFC 1952) only.
static inline int czlib_inflate_gzip_init(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

static inline int czlib_deflate_gzip_init(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

#endif

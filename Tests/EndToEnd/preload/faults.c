// Loaded before all libraries: lets the N-th call of one kind fail, as a test says through a file that both map. What it
// does not fail goes on to the library that has it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// The order is that of test_faults.py.
enum call {
  call_none, call_recv, call_send, call_accept, call_wait, call_add, call_read, call_write, call_tls, call_deflate,
  call_inflate, call_socket, call_connect
};

struct orders {
  _Atomic int call;    // which call is to fail
  _Atomic int left;    // counts down to the one that fails
  _Atomic int error;   // with this error number; 0: only one byte moves
  _Atomic int failed;  // how many have failed
};

static struct orders idle;
static struct orders *orders = &idle;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("FAULT_FILE");
  if (!path) return;
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, 4096) != 0) return;
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) orders = page;
}

// Whether this call is the one that is to fail.
static int strikes(enum call call) {
  if (atomic_load(&orders->call) != (int)call) return 0;
  if (atomic_fetch_sub(&orders->left, 1) != 1) return 0;
  atomic_store(&orders->call, call_none);
  atomic_fetch_add(&orders->failed, 1);
  return 1;
}

static int is_socket(int descriptor) {
  struct stat status;
  return fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_OR_SHORTEN(call, size) \
  if ((size) > 0 && strikes(call)) { \
    int error = atomic_load(&orders->error); \
    if (error) { \
      errno = error; \
      return -1; \
    } \
    size = 1; \
  }

int socket(int domain, int type, int protocol) {
  if (domain != AF_UNIX && strikes(call_socket)) {
    errno = atomic_load(&orders->error);
    return -1;
  }
  return NEXT(socket)(domain, type, protocol);
}

int connect(int descriptor, const struct sockaddr *address, socklen_t size) {
  if (strikes(call_connect)) {
    errno = atomic_load(&orders->error);
    return -1;
  }
  return NEXT(connect)(descriptor, address, size);
}

ssize_t recv(int descriptor, void *bytes, size_t size, int flags) {
  // A short read looks like an empty socket to an edge-triggered reader, so reads are never shortened.
  if (atomic_load(&orders->error) != 0) { FAIL_OR_SHORTEN(call_recv, size) }
  return NEXT(recv)(descriptor, bytes, size, flags);
}

ssize_t send(int descriptor, const void *bytes, size_t size, int flags) {
  FAIL_OR_SHORTEN(call_send, size)
  return NEXT(send)(descriptor, bytes, size, flags);
}

ssize_t read(int descriptor, void *bytes, size_t size) {
  if (is_socket(descriptor)) { FAIL_OR_SHORTEN(call_read, size) }
  return NEXT(read)(descriptor, bytes, size);
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
  if (is_socket(descriptor)) { FAIL_OR_SHORTEN(call_write, size) }
  return NEXT(write)(descriptor, bytes, size);
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
  size_t size = 1;
  FAIL_OR_SHORTEN(call_accept, size)
  return NEXT(accept4)(listener, address, length, flags);
}

int epoll_ctl(int set, int operation, int descriptor, struct epoll_event *event) {
  size_t size = operation == EPOLL_CTL_ADD && is_socket(descriptor);
  FAIL_OR_SHORTEN(call_add, size)
  return NEXT(epoll_ctl)(set, operation, descriptor, event);
}

int epoll_wait(int set, struct epoll_event *events, int capacity, int milliseconds) {
  // Dispatch waits in calls of its own, for fewer events.
  size_t size = capacity == 256;
  FAIL_OR_SHORTEN(call_wait, size)
  return NEXT(epoll_wait)(set, events, capacity, milliseconds);
}

// Of libssl and libz, which want memory for each stream; without their headers, so that the names can be taken.

void *SSL_new(void *context);
int deflateInit2_(void *stream, int level, int method, int bits, int memory, int strategy, const char *version, int size);
int inflateInit2_(void *stream, int bits, const char *version, int size);

static const int no_memory = -4;  // Z_MEM_ERROR

void *SSL_new(void *context) { return strikes(call_tls) ? NULL : NEXT(SSL_new)(context); }

int deflateInit2_(void *stream, int level, int method, int bits, int memory, int strategy, const char *version, int size) {
  if (strikes(call_deflate)) return no_memory;
  return NEXT(deflateInit2_)(stream, level, method, bits, memory, strategy, version, size);
}

int inflateInit2_(void *stream, int bits, const char *version, int size) {
  return strikes(call_inflate) ? no_memory : NEXT(inflateInit2_)(stream, bits, version, size);
}

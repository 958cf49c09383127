// What Swift's Glibc module does not expose, or exposes only as macros and variadics.
#ifndef CLINUX_H
#define CLINUX_H

#include <linux/sockios.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static inline int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int clinux_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int clinux_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data = {.u64 = token}};
  return epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event);
}

static inline int clinux_epoll_remove(int epoll, int descriptor) {
  return epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, (struct epoll_event *)0);
}

/// One ready descriptor: what it is ready for, and the token it was registered with.
typedef struct {
  uint32_t events;
  uint64_t token;
} clinux_ready;

/// Waits at most `milliseconds`. At most 256 at a time.
static inline int clinux_epoll_wait(int epoll, clinux_ready *ready, int capacity, int milliseconds) {
  struct epoll_event events[256];
  int count = epoll_wait(epoll, events, capacity < 256 ? capacity : 256, milliseconds);
  for (int index = 0; index < count; index++) {
    ready[index].events = events[index].events;
    ready[index].token = events[index].data.u64;
  }
  return count;
}

/// In CLinux.c: `accept4` needs `_GNU_SOURCE`, which here would give `fd_set` another shape than Dispatch's module has.
int clinux_accept(int listener, struct sockaddr *address, socklen_t *length);

static inline int clinux_timer_create(void) {
  return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
}

/// Fires once, `nanoseconds` from now; 0 disarms.
static inline int clinux_timer_arm(int timer, uint64_t nanoseconds) {
  struct itimerspec when = {
      .it_interval = {0, 0},
      .it_value = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)},
  };
  return timerfd_settime(timer, 0, &when, (struct itimerspec *)0);
}

/// Bytes that were written to a socket and that its peer has not acknowledged; -1 where the kernel does not say.
static inline int clinux_unacknowledged(int socket) {
  int count;
  return ioctl(socket, SIOCOUTQ, &count) == 0 ? count : -1;
}

static inline int clinux_event_create(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/// Makes the descriptor readable until it is cleared.
static inline void clinux_event_ring(int event) {
  // A full counter is as readable as can be.
  (void)eventfd_write(event, 1);
}

static inline void clinux_event_clear(int event) {
  eventfd_t count;
  (void)eventfd_read(event, &count);
}

/// The event loop whose code runs on this thread, as an opaque pointer; null elsewhere.
void *clinux_current_loop(void);
void clinux_set_current_loop(void *loop);

static const uint32_t clinux_readable = EPOLLIN;
static const uint32_t clinux_writable = EPOLLOUT;
static const uint32_t clinux_peer_closed = EPOLLRDHUP;
static const uint32_t clinux_hangup = EPOLLHUP;
static const uint32_t clinux_error = EPOLLERR;
static const uint32_t clinux_edge_triggered = EPOLLET;

#endif

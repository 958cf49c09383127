// An open-loop HTTP client: requests leave when they are due, whether or not earlier ones were answered, and a latency
// counts from the time a request was due. So a server that stalls cannot hide it by keeping its clients from asking
// (coordinated omission).
//
//   openloop PORT CONNECTIONS RATE SECONDS [FILE]  ->  "p50 p99 p99.9 max" in microseconds, the rate that was reached, errors
//
// FILE holds the bytes of a request; the eight characters ######## in it become the number of the request. Without it,
// GET /healthz is sent.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char request[65536] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
static size_t request_length;
static char *number;

static int read_request(const char *file) {
  if (file) {
    FILE *source = fopen(file, "rb");
    if (!source) return 0;
    request[fread(request, 1, sizeof request - 1, source)] = 0;
    fclose(source);
  }
  request_length = strlen(request);
  number = strstr(request, "########");
  return 1;
}

enum { deepest = 4096 };

typedef struct {
  int descriptor;
  // When the requests under way were due, oldest first.
  int64_t due[deepest];
  unsigned first, count;
  char text[4096];
  unsigned length;
} connection;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int compare(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return a < b ? -1 : a > b;
}

// Takes whole answers off the front; -1 where one is none.
static int take(connection *client, int64_t *latencies, long *taken, long most) {
  for (;;) {
    char *end = memmem(client->text, client->length, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *field = strcasestr(client->text, "content-length: ");
    if (strncmp(client->text, "HTTP/1.1 200", 12) != 0 || !field || client->count == 0) return -1;
    unsigned whole = (unsigned)(end - client->text) + 4 + (unsigned)atoi(field + 16);
    *end = '\r';
    if (client->length < whole) return 0;
    if (*taken < most) latencies[(*taken)++] = now() - client->due[client->first];
    client->first = (client->first + 1) % deepest;
    client->count--;
    memmove(client->text, client->text + whole, client->length - whole);
    client->length -= whole;
  }
}

int main(int count, char **arguments) {
  if ((count != 5 && count != 6) || !read_request(count == 6 ? arguments[5] : NULL)) return 2;
  int port = atoi(arguments[1]), connections = atoi(arguments[2]);
  double rate = atof(arguments[3]), seconds = atof(arguments[4]);
  long most = (long)(rate * seconds), taken = 0, sent = 0, errors = 0;
  int64_t *latencies = calloc((size_t)most, sizeof *latencies);
  connection *clients = calloc((size_t)connections, sizeof *clients);
  int set = epoll_create1(0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  for (int index = 0; index < connections; index++) {
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) return 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    clients[index].descriptor = descriptor;
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = (uint32_t)index}};
    epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event);
  }
  int64_t start = now(), last = start;
  while (taken < most && now() - start < (int64_t)((seconds + 5) * 1e9)) {
    // Everything that is due by now leaves.
    while (sent < most && start + (int64_t)(sent / rate * 1e9) <= now()) {
      connection *client = &clients[sent % connections];
      char digits[9];
      if (number) {
        snprintf(digits, sizeof digits, "%08ld", sent);
        memcpy(number, digits, 8);
      }
      if (client->count == deepest
          || send(client->descriptor, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length) {
        errors++;
        break;
      }
      client->due[(client->first + client->count++) % deepest] = start + (int64_t)(sent / rate * 1e9);
      sent++;
    }
    struct epoll_event events[256];
    int ready = epoll_wait(set, events, 256, 0);
    for (int index = 0; index < ready; index++) {
      connection *client = &clients[events[index].data.u32];
      ssize_t received = recv(client->descriptor, client->text + client->length, sizeof client->text - client->length, 0);
      if (received <= 0 || (client->length += (unsigned)received, take(client, latencies, &taken, most)) != 0) return 1;
      last = now();
    }
  }
  qsort(latencies, (size_t)taken, sizeof *latencies, compare);
  if (taken == 0) return 1;
  printf("%.1f %.1f %.1f %.1f %.0f %ld\n", latencies[taken / 2] / 1e3, latencies[taken * 99 / 100] / 1e3,
         latencies[taken * 999 / 1000] / 1e3, latencies[taken - 1] / 1e3, taken / ((last - start) / 1e9), errors);
  return 0;
}

// Many streamed chats at once, timed by one clock: one thread is the chat server that sends the events and the clients that
// read them behind whatever stands between.
//
//   streams UPSTREAM PORT STREAMS RATE SECONDS WINDOW
//     ->  "p50 p99 p99.9 max" in microseconds, how many events arrived, how many were sent
//
// UPSTREAM is the port to serve on, PORT that of the server in between, RATE the events a second of each stream. Every event
// brings 20 characters, and WINDOW of them are judged together: what an event is timed from is the sending of the one that
// fills its window, or ends the stream. With a window of 1 that is the event itself.
#define _GNU_SOURCE
#include <arpa/inet.h>
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

// What is said, in pieces of 20 characters.
static const char *said[] = {"The old town lies on", " a hill by the river", " and most of it can ", "be seen on foot. Tra",
                             "ms go up to the cast", "le, where children l", "ike to play. In the ", "evening music is hea",
                             "rd in the small stre", "ets near the harbour"};

enum { most = 65536, window_bytes = 131072 };

typedef struct {
  // The socket of the client, and of the server; -1 where there is none.
  int client, server;
  int sent, arrived;
  // When the stream's next event is due, and when each was sent.
  int64_t due, *times;
  char text[window_bytes];
  unsigned length;
} stream;

// What an event of epoll belongs to: a listener, a stream's client, or a connection whose stream is not known yet.
enum { listening = -1, unknown = 1 << 30 };

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int compare(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return a < b ? -1 : a > b;
}

static void watch(int set, int descriptor, int data) {
  int yes = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  fcntl(descriptor, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = (uint64_t)(uint32_t)data | (uint64_t)descriptor << 32}};
  epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event);
}

static int say(int descriptor, const char *text, int length) {
  return send(descriptor, text, (size_t)length, MSG_NOSIGNAL) == length ? 0 : -1;
}

// A chunk with the event of this number, and what ends the answer behind the last.
static int send_event(stream *its, int last) {
  char event[1024], chunk[1200];
  int number = its->sent, length = snprintf(
      event, sizeof event,
      "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":%d,\"model\":\"m\",\"choices\":[{\"index\":0,"
      "\"delta\":{\"content\":\"%s\"},\"finish_reason\":%s}]}\n\n%s", 1700000000 + number,
      said[number % 10], number == last ? "\"stop\"" : "null", number == last ? "data: [DONE]\n\n" : "");
  int whole = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n%s", (unsigned)length, event, number == last ? "0\r\n\r\n" : "");
  its->times[its->sent++] = now();
  return say(its->server, chunk, whole);
}

// Reads a request at the server's side and begins the answer of the stream that its text names.
static int begin(int descriptor, stream *streams, int count, int64_t period) {
  // A request is small, and what is between sends it in one piece or head and body; what is not whole yet is left.
  char text[16384];
  ssize_t length = recv(descriptor, text, sizeof text - 1, MSG_PEEK);
  if (length <= 0) return -1;
  text[length] = 0;
  char *name = strstr(text, "stream-");
  if (!name || !strstr(name, "}")) return 0;
  recv(descriptor, text, sizeof text, 0);
  int index = atoi(name + 7);
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (index < 0 || index >= count || say(descriptor, head, sizeof head - 1) != 0) return -1;
  streams[index].server = descriptor;
  streams[index].due = now() + period * index / count;
  return 0;
}

// Takes what arrived at a client; each event names its number in a field that nobody judges.
static int arrive(stream *its, int last, int window, int64_t *latencies, long *taken) {
  ssize_t length = recv(its->client, its->text + its->length, window_bytes - 1 - its->length, 0);
  if (length <= 0) return -1;
  int64_t time = now();
  its->length += (unsigned)length;
  its->text[its->length] = 0;
  char *rest = its->text, *found;
  while ((found = strstr(rest, "\"created\":")) && strstr(found, "}]}")) {
    int number = atoi(found + 10) - 1700000000;
    if (number != its->arrived || number > last) return -1;
    int filled = number / window * window + window - 1;
    latencies[(*taken)++] = time - its->times[filled < last ? filled : last];
    its->arrived++;
    rest = found + 10;
  }
  // What stands before the last event is done with; half an event is kept.
  char *keep = found ? found : its->text + its->length - (its->length < 16 ? its->length : 16);
  if (keep < rest) keep = rest;
  its->length -= (unsigned)(keep - its->text);
  memmove(its->text, keep, its->length);
  return 0;
}

static int open_client(int port, int index) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) return -1;
  char body[256], request[512];
  int length = snprintf(body, sizeof body, "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                        "\"What is there to see in town? stream-%d\"}]}", index);
  int whole = snprintf(request, sizeof request, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: "
                       "application/json\r\nContent-Length: %d\r\n\r\n%s", length, body);
  return say(descriptor, request, whole) == 0 ? descriptor : -1;
}

int main(int argument_count, char **arguments) {
  if (argument_count != 7) return 2;
  int port = atoi(arguments[2]), count = atoi(arguments[3]), window = atoi(arguments[6]), opened = 0;
  int64_t period = (int64_t)(1e9 / atof(arguments[4]));
  int last = (int)(atof(arguments[4]) * atof(arguments[5])) - 1;
  long taken = 0, sent = 0, all = (long)count * (last + 1);
  stream *streams = calloc((size_t)count, sizeof *streams);
  int64_t *latencies = calloc((size_t)all, sizeof *latencies);
  int set = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0) return 1;
  watch(set, listener, listening);
  for (int index = 0; index < count; index++) {
    streams[index].server = -1;
    streams[index].times = calloc((size_t)last + 1, sizeof(int64_t));
  }
  int64_t start = now(), end = start + (int64_t)((atof(arguments[5]) + 10) * 1e9);
  while (taken < all && now() < end) {
    // Chats begin spread over two seconds, as they do where nobody starts them all.
    for (; opened < count && now() >= start + (int64_t)2e9 * opened / count; opened++) {
      if ((streams[opened].client = open_client(port, opened)) < 0) return 1;
      watch(set, streams[opened].client, opened);
    }
    for (int index = 0; index < opened; index++) {
      stream *its = &streams[index];
      for (; its->server >= 0 && its->sent <= last && its->due <= now(); its->due += period, sent++) {
        if (send_event(its, last) != 0) return 1;
      }
    }
    struct epoll_event events[256];
    int ready = epoll_wait(set, events, 256, 1);
    for (int index = 0; index < ready; index++) {
      int data = (int)(uint32_t)events[index].data.u64, descriptor = (int)(events[index].data.u64 >> 32);
      if (data == listening) {
        int accepted = accept(listener, NULL, NULL);
        if (accepted >= 0) watch(set, accepted, unknown);
      } else if (data == unknown ? begin(descriptor, streams, count, period)
                                 : arrive(&streams[data], last, window, latencies, &taken)) {
        // A client that is left alone before its last event shows in the counts; a server's connection may end.
        epoll_ctl(set, EPOLL_CTL_DEL, descriptor, NULL);
      }
    }
  }
  if (taken == 0) return 1;
  qsort(latencies, (size_t)taken, sizeof *latencies, compare);
  printf("%.1f %.1f %.1f %.1f %ld %ld\n", latencies[taken / 2] / 1e3, latencies[taken * 99 / 100] / 1e3,
         latencies[taken * 999 / 1000] / 1e3, latencies[taken - 1] / 1e3, taken, sent);
  return 0;
}

// Load for a TURN server: N client sockets and one peer socket, all in one thread. Knows nothing of TURN: whoever drives
// it over standard input makes the requests and the packets, so that the protocol is written once, in TypeScript.
//
//   send I HEX      one datagram from client I to the server; whatever comes to it is printed as `recv I HEX`
//   out I HEX       the packet that client I sends in a run
//   in I PORT HEX   where the peer sends for client I in a run, and what
//   run out|in RATE MS   prints `ran SENT RECEIVED MICROSECONDS`; received are those at the other side
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 1000, MAX_PACKET = 2000, BATCH = 64, LINE = 8192 };

struct packet {
  uint8_t bytes[MAX_PACKET];
  size_t length;
  struct sockaddr_in to;
};

static int clients[MAX_CLIENTS], count, peer, epoll;
static struct packet out[MAX_CLIENTS], in[MAX_CLIENTS];

static double now_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e6 + at.tv_nsec / 1e3;
}

static struct sockaddr_in address(const char *ip, int port) {
  struct sockaddr_in found = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &found.sin_addr);
  return found;
}

static int udp(const char *ip, int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 8 << 20;
  struct sockaddr_in at = address(ip, port);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) perror("bind"), exit(1);
  return fd;
}

static size_t unhex(const char *text, uint8_t *bytes) {
  size_t length = 0;
  for (unsigned value; length < MAX_PACKET && sscanf(text + 2 * length, "%2x", &value) == 1; length++)
    bytes[length] = value;
  return length;
}

// Takes what lies in a socket; prints it when asked to, otherwise only counts.
static long drain(int fd, int index, int print) {
  static uint8_t bytes[BATCH][MAX_PACKET];
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH] = {0};
  for (int each = 0; each < BATCH; each++) {
    parts[each] = (struct iovec){bytes[each], MAX_PACKET};
    messages[each].msg_hdr = (struct msghdr){.msg_iov = &parts[each], .msg_iovlen = 1};
  }
  long total = 0;
  for (int got; (got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL)) > 0;) {
    total += got;
    for (int each = 0; print && each < got; each++) {
      printf("recv %d ", index);
      for (unsigned byte = 0; byte < messages[each].msg_len; byte++) printf("%02x", bytes[each][byte]);
      printf("\n");
    }
    if (got < BATCH) break;
  }
  return total;
}

static long drain_clients(int wait_ms, int print) {
  struct epoll_event events[BATCH];
  long total = 0;
  for (int ready; (ready = epoll_wait(epoll, events, BATCH, wait_ms)) > 0; wait_ms = 0) {
    for (int each = 0; each < ready; each++)
      total += drain(clients[events[each].data.u32], events[each].data.u32, print);
    if (ready < BATCH) break;
  }
  return total;
}

static void run(int outward, double rate, double ms) {
  double start = now_us(), end = start + ms * 1000, at;
  long sent = 0, received = 0;
  int turn = 0;
  while ((at = now_us()) < end) {
    long due = (long)((at - start) * rate / 1e6) - sent;
    for (int burst = 0; burst < BATCH && due > 0; burst++, due--, sent++) {
      struct packet *packet = outward ? &out[turn] : &in[turn];
      int fd = outward ? clients[turn] : peer;
      sendto(fd, packet->bytes, packet->length, 0, (struct sockaddr *)&packet->to, sizeof packet->to);
      turn = (turn + 1) % count;
    }
    received += outward ? drain(peer, 0, 0) : drain_clients(0, 0);
  }
  for (double last = now_us(); now_us() - last < 50000;) {
    long more = outward ? drain(peer, 0, 0) : drain_clients(1, 0);
    received += more;
    if (more > 0) last = now_us();
  }
  printf("ran %ld %ld %.0f\n", sent, received, end - start);
}

static void command(char *line, struct sockaddr_in server) {
  static char hex[LINE], way[8];
  int index, port;
  double rate, ms;
  if (sscanf(line, "send %d %8000s", &index, hex) == 2) {
    uint8_t bytes[MAX_PACKET];
    size_t length = unhex(hex, bytes);
    sendto(clients[index], bytes, length, 0, (struct sockaddr *)&server, sizeof server);
  } else if (sscanf(line, "out %d %8000s", &index, hex) == 2) {
    out[index].length = unhex(hex, out[index].bytes);
    out[index].to = server;
  } else if (sscanf(line, "in %d %d %8000s", &index, &port, hex) == 3) {
    in[index].length = unhex(hex, in[index].bytes);
    in[index].to = address("127.0.0.1", port);
  } else if (sscanf(line, "run %7s %lf %lf", way, &rate, &ms) == 3) {
    run(strcmp(way, "out") == 0, rate, ms);
  }
}

// Arguments: number of clients, server's port, peer's port.
int main(int words, char **word) {
  if (words != 4) return 2;
  static char line[LINE];
  struct sockaddr_in server = address("127.0.0.1", atoi(word[2]));
  count = atoi(word[1]);
  if (count < 1 || count > MAX_CLIENTS) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0);
  epoll = epoll_create1(0);
  peer = udp("127.0.0.1", atoi(word[3]));
  for (int each = 0; each < count; each++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = each};
    clients[each] = udp("127.0.0.1", 0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, clients[each], &event);
  }
  for (;;) {
    struct pollfd waiting[2] = {{.fd = 0, .events = POLLIN}, {.fd = epoll, .events = POLLIN}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return 1;
    if (waiting[1].revents) drain_clients(0, 1);
    if (waiting[0].revents) {
      if (fgets(line, sizeof line, stdin) == NULL) return 0;
      command(line, server);
    }
  }
}

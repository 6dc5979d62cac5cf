// The physical limit that the media benchmark names: a bare relay, one packet per system call, no checks, no
// counters. Arguments: first port, number of ports, destination port. With one port the same socket sends on.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int udp(int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
    perror("udp-relay");
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int first = atoi(argv[1]), count = atoi(argv[2]), poll = epoll_create1(0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[3]))};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  int out = -1;
  for (int i = 0; i < count; i++) {
    int fd = udp(first + i);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
    if (out < 0) out = fd;
  }
  puts("ready");
  fflush(stdout);
  static char packet[2048];
  for (;;) {
    struct epoll_event ready[256];
    int n = epoll_wait(poll, ready, 256, -1);
    for (int i = 0; i < n; i++)
      for (int burst = 0; burst < (count > 1 ? 1 : 64); burst++) {
        ssize_t length = recvfrom(ready[i].data.fd, packet, sizeof packet, 0, NULL, NULL);
        if (length < 0) break;
        if (sendto(out, packet, (size_t)length, 0, (struct sockaddr *)&to, sizeof to) < 0) continue;
      }
  }
}

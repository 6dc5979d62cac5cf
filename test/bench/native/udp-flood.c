// Floods UDP ports as fast as one processor can with what nobody has authenticated: RTP of unknown keys, STUN without a
// right seal, channel data, noise, packets cut short. Arguments: milliseconds, source host, destination host, then
// ports. Prints how many packets the kernel took.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOURCES 64
#define BATCH 64
#define BYTES 200

static uint64_t state = 88172645463325252ull;

static uint64_t draw(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/** One packet of a kind drawn at random; returns its length. */
static size_t build(uint8_t *out) {
  for (size_t i = 0; i < BYTES; i += 8) {
    uint64_t noise = draw();
    memcpy(out + i, &noise, 8);
  }
  switch (draw() % 5) {
    case 0:  // RTP
      out[0] = 0x80;
      out[1] = 0;
      return 182;
    case 1:  // RTCP
      out[0] = 0x80;
      out[1] = 200;
      return 80;
    case 2: {  // STUN Binding request with a USERNAME of 32 bytes and a seal of noise
      static const uint8_t head[] = {0, 1, 0, 72, 0x21, 0x12, 0xa4, 0x42};
      memcpy(out, head, sizeof head);
      memcpy(out + 20, "\x00\x06\x00\x20", 4);
      for (int i = 0; i < 32; i++) out[24 + i] = "0123456789abcdef"[out[24 + i] & 15];
      memcpy(out + 56, "\x00\x1c\x00\x20", 4);
      return 92;
    }
    case 3:  // channel data
      out[0] = 0x40 | (out[0] & 0x3f);
      out[2] = 0;
      out[3] = 160;
      return 164;
    default:
      return draw() % BYTES;
  }
}

int main(int count, char **arguments) {
  if (count < 5) return 2;
  int sockets[SOURCES], ports = count - 4;
  struct sockaddr_in from = {.sin_family = AF_INET}, *targets = calloc((size_t)ports, sizeof *targets);
  inet_pton(AF_INET, arguments[2], &from.sin_addr);
  for (int i = 0; i < SOURCES; i++) {
    sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (sockets[i] < 0 || bind(sockets[i], (struct sockaddr *)&from, sizeof from) != 0) return 1;
  }
  for (int i = 0; i < ports; i++) {
    targets[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[4 + i]))};
    inet_pton(AF_INET, arguments[3], &targets[i].sin_addr);
  }
  static uint8_t bytes[BATCH][BYTES];
  struct mmsghdr messages[BATCH];
  struct iovec pieces[BATCH];
  uint64_t end = now() + (uint64_t)atol(arguments[1]), sent = 0;
  while (now() < end) {
    for (int i = 0; i < BATCH; i++) {
      pieces[i] = (struct iovec){bytes[i], build(bytes[i])};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &targets[draw() % (uint64_t)ports],
                                            .msg_namelen = sizeof *targets,
                                            .msg_iov = &pieces[i],
                                            .msg_iovlen = 1};
    }
    int taken = sendmmsg(sockets[draw() % SOURCES], messages, BATCH, MSG_DONTWAIT);
    if (taken > 0) sent += (uint64_t)taken;
  }
  printf("%llu\n", (unsigned long long)sent);
  return 0;
}

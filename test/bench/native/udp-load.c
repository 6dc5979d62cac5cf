// The media benchmark's generator and sink in one thread: RTP or SRTP of many flows in turn at a given rate, and
// what came back of them: packets, delay by SSRC and sequence number, wrong sizes. Told what to do line by line on
// standard input (see `command`), answers each `run` with one line. SRTP is sealed ahead of time by libsrtp2.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_SRTP
#include <srtp2/srtp.h>
#endif

#define MAX_FLOWS 1024
#define MAX_PACKET 1500
#define TIMES 4096
#define SINK_BATCH 64
#define SINK_BYTES 65536
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

struct flow {
  int fd;
  struct sockaddr_in target;
  int channel;  // 0: no channel header
  uint16_t sequence;
  uint64_t sentAt[TIMES];
#ifdef WITH_SRTP
  srtp_t srtp;
#endif
};

static struct flow flows[MAX_FLOWS];
static int flowCount, payload = 160, train = 1, sinkFd, sinkHeader, sinkBytes;
static int sealed;
static uint8_t *packets;  // sealed ahead of time
static uint64_t *delays;
static size_t delayCount, delayRoom, received, wrong;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "udp-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in address(const char *host, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &a.sin_addr);
  return a;
}

static int udp(const char *host, int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 8 << 20;
  struct sockaddr_in a = address(host, port);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0) fail(host);
  return fd;
}

/** One packet of a flow behind its channel header; returns the bytes. */
static int build(struct flow *f, int index, uint8_t *out) {
  uint8_t *rtp = out + (f->channel ? 4 : 0);
  int length = 12 + payload;
  memset(rtp, 0x5a, (size_t)length);
  rtp[0] = 0x80;
  rtp[1] = 0;
  rtp[2] = (uint8_t)(f->sequence >> 8);
  rtp[3] = (uint8_t)f->sequence;
  uint32_t ssrc = htonl((uint32_t)index + 1);
  memcpy(rtp + 8, &ssrc, 4);
#ifdef WITH_SRTP
  if (sealed && srtp_protect(f->srtp, rtp, &length) != 0) fail("srtp_protect");
#endif
  f->sequence++;
  if (f->channel) {
    out[0] = (uint8_t)(f->channel >> 8);
    out[1] = (uint8_t)f->channel;
    out[2] = (uint8_t)(length >> 8);
    out[3] = (uint8_t)length;
    length += 4;
  }
  return length;
}

static void takePacket(const uint8_t *p, int length, uint64_t at) {
  received++;
  if (length != sinkBytes) {
    wrong++;
    return;
  }
  p += sinkHeader;
  uint32_t ssrc;
  memcpy(&ssrc, p + 8, 4);
  uint32_t index = ntohl(ssrc) - 1;
  if (index >= (uint32_t)flowCount) {
    wrong++;
    return;
  }
  uint64_t sent = flows[index].sentAt[(p[2] << 8 | p[3]) % TIMES];
  if (sent != 0 && delayCount < delayRoom) delays[delayCount++] = at - sent;
}

static void drain(void) {
  static uint8_t buffer[SINK_BATCH][SINK_BYTES];
  static uint8_t control[SINK_BATCH][64];
  struct mmsghdr messages[SINK_BATCH];
  struct iovec pieces[SINK_BATCH];
  for (;;) {
    for (int i = 0; i < SINK_BATCH; i++) {
      pieces[i] = (struct iovec){buffer[i], SINK_BYTES};
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1, .msg_control = control[i],
                                            .msg_controllen = sizeof control[i]};
    }
    int count = recvmmsg(sinkFd, messages, SINK_BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0) return;
    uint64_t at = now();
    for (int i = 0; i < count; i++) {
      int left = (int)messages[i].msg_len, segment = left;
      struct cmsghdr *c = CMSG_FIRSTHDR(&messages[i].msg_hdr);
      if (c && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
      for (uint8_t *p = buffer[i]; left > 0; p += segment, left -= segment)
        takePacket(p, left < segment ? left : segment, at);
    }
    if (count < SINK_BATCH) return;
  }
}

/** Sends `count` packets of consecutive flows of one socket as one. */
static int sendTrain(int first, int count, uint8_t *bytes, int each) {
  struct flow *f = &flows[first];
  char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
  struct iovec piece = {bytes, (size_t)(each * count)};
  struct msghdr message = {.msg_name = &f->target, .msg_namelen = sizeof f->target, .msg_iov = &piece, .msg_iovlen = 1};
  if (count > 1) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t segment = (uint16_t)each;
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
  }
  return sendmsg(f->fd, &message, MSG_DONTWAIT) > 0;
}

static int byValue(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void run(long perSecond, long ms) {
  size_t total = (size_t)(perSecond * ms / 1000), sent = 0, refused = 0;
  size_t stride = MAX_PACKET;
  delayRoom = total;
  delays = realloc(delays, sizeof *delays * (total + 1));
  packets = realloc(packets, stride * (size_t)train * 2 + (sealed ? stride * (total + (size_t)train) : 0));
  received = wrong = delayCount = 0;
  int length = 12 + payload;
  uint8_t *ahead = packets + stride * (size_t)train * 2;
  if (sealed) {
    uint8_t *at = ahead;
    for (size_t i = 0; i < total; i++, at += length) length = build(&flows[i % (size_t)flowCount], (int)(i % (size_t)flowCount), at);
  }
  uint64_t start = now(), end = start + (uint64_t)ms * 1000000u, at = start;
  uint8_t *next = ahead;
  size_t flow = 0;
  static uint16_t numbers[MAX_FLOWS];
  if (sealed)
    for (int i = 0; i < flowCount; i++) numbers[i] = (uint16_t)(flows[i].sequence - (total / (size_t)flowCount + ((size_t)i < total % (size_t)flowCount)));
  while (sent < total && (at = now()) < end + 2000000u) {
    size_t due = (size_t)((double)(at - start) * (double)perSecond / 1e9);
    if (due > total) due = total;
    for (int burst = 0; sent + (size_t)train <= due && burst < 64; burst += train) {
      int count = train;
      if (flow + (size_t)count > (size_t)flowCount) count = (int)((size_t)flowCount - flow);
      uint8_t *bytes = packets;
      for (int i = 0; i < count; i++) {
        struct flow *f = &flows[flow + (size_t)i];
        uint16_t sequence = sealed ? numbers[flow + (size_t)i]++ : f->sequence;
        f->sentAt[sequence % TIMES] = at;
        if (!sealed) length = build(f, (int)flow + i, bytes + i * length);
      }
      if (sealed) {
        bytes = next;
        next += count * length;
      }
      if (!sendTrain((int)flow, count, bytes, length)) refused += (size_t)count;
      sent += (size_t)count;
      flow = (flow + (size_t)count) % (size_t)flowCount;
    }
    drain();
  }
  uint64_t took = now() - start;
  for (uint64_t until = now() + 60000000u; now() < until && received < sent;) drain();
  qsort(delays, delayCount, sizeof *delays, byValue);
  double p50 = delayCount ? (double)delays[delayCount / 2] / 1000 : 0;
  double p99 = delayCount ? (double)delays[delayCount * 99 / 100] / 1000 : 0;
  printf("{\"sent\":%zu,\"refused\":%zu,\"received\":%zu,\"wrong\":%zu,\"seconds\":%.6f,\"p50Us\":%.1f,\"p99Us\":%.1f}\n",
         sent, refused, received, wrong, (double)took / 1e9, p50, p99);
  fflush(stdout);
}

#ifdef WITH_SRTP
/** Every flow seals with this key and salt (hexadecimal), by AES_CM_128_HMAC_SHA1_80 or AEAD_AES_128_GCM. */
static void seal(const char *suite, const char *hex) {
  static unsigned char key[64];
  for (size_t i = 0; i < strlen(hex) / 2; i++) sscanf(hex + 2 * i, "%2hhx", &key[i]);
  for (int i = 0; i < flowCount; i++) {
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    if (strcmp(suite, "AEAD_AES_128_GCM") == 0) {
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
      srtp_crypto_policy_set_rtp_default(&policy.rtp);
      srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
    }
    policy.ssrc.type = ssrc_any_outbound;
    policy.key = key;
    policy.window_size = 1024;
    if (srtp_create(&flows[i].srtp, &policy) != 0) fail("srtp_create");
  }
  sealed = 1;
}
#endif

static void command(char *line) {
  char host[64], text[128];
  int a, b, c;
  long x, y;
  if (sscanf(line, "sink %63s %d %d %d", host, &a, &b, &c) == 4) {  // host, port, bytes of each packet, header bytes
    int on = 1;
    sinkFd = udp(host, a);
    sinkBytes = b;
    sinkHeader = c;
    setsockopt(sinkFd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  } else if (sscanf(line, "sources %63s %d %d", host, &a, &b) == 3) {  // host, first port, count
    for (flowCount = 0; flowCount < b && flowCount < MAX_FLOWS; flowCount++) flows[flowCount].fd = udp(host, a + flowCount);
  } else if (sscanf(line, "source %63s %d %d", host, &a, &b) == 3) {  // host, port, flows that share it
    int fd = udp(host, a);
    for (flowCount = 0; flowCount < b && flowCount < MAX_FLOWS; flowCount++) flows[flowCount].fd = fd;
  } else if (sscanf(line, "target %d %63s %d %d", &a, host, &b, &c) == 4) {  // flow, host, port, channel
    flows[a].target = address(host, b);
    flows[a].channel = c;
  } else if (sscanf(line, "payload %d", &a) == 1) {
    payload = a;
  } else if (sscanf(line, "train %d", &a) == 1) {
    train = a;
#ifdef WITH_SRTP
  } else if (sscanf(line, "seal %63s %127s", host, text) == 2) {
    seal(host, text);
#endif
  } else if (sscanf(line, "run %ld %ld", &x, &y) == 2) {  // packets per second, milliseconds
    run(x, y);
  } else {
    fprintf(stderr, "udp-load: what is '%s'?\n", line);
    exit(2);
  }
  (void)text;
}

int main(void) {
  char line[256];
#ifdef WITH_SRTP
  if (srtp_init() != 0) fail("srtp_init");
#endif
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    command(line);
  }
  return 0;
}

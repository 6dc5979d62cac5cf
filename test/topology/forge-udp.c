// Sends one UDP datagram of 40 bytes of RTP from a source port that no socket can have. Arguments: source address and
// port, destination address and port. Needs root; used in a namespace of a test's own only.
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **arguments) {
  if (count != 5) return 2;
  unsigned char packet[sizeof(struct iphdr) + sizeof(struct udphdr) + 40] = {0};
  struct iphdr *ip = (struct iphdr *)packet;
  struct udphdr *udp = (struct udphdr *)(ip + 1);
  unsigned char *rtp = (unsigned char *)(udp + 1);
  ip->version = 4;
  ip->ihl = 5;
  ip->ttl = 9;
  ip->protocol = IPPROTO_UDP;
  ip->tot_len = htons(sizeof packet);
  inet_pton(AF_INET, arguments[1], &ip->saddr);
  inet_pton(AF_INET, arguments[3], &ip->daddr);
  udp->source = htons((unsigned short)atoi(arguments[2]));
  udp->dest = htons((unsigned short)atoi(arguments[4]));
  udp->len = htons(sizeof *udp + 40);
  rtp[0] = 0x80;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = ip->daddr};
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0 || sendto(fd, packet, sizeof packet, 0, (struct sockaddr *)&to, sizeof to) < 0) {
    perror("forge-udp");
    return 1;
  }
  return 0;
}

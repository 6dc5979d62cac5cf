// Debian's libsrtp2 as an oracle: one request a line, one answer a line, everything in hex.
//   protect|unprotect  rtp|rtcp  suite  key-and-salt  packet   →   packet or "error <code>"
// A context lives as long as the process and is told apart by direction, suite and key.
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 2048, MAX_CONTEXTS = 32 };

typedef struct {
  char name[256];
  srtp_t session;
} context;

static context contexts[MAX_CONTEXTS];
static int used;

static size_t from_hex(const char *text, unsigned char *bytes, size_t limit) {
  size_t length = strlen(text) / 2;
  if (length > limit) exit(2);
  for (size_t index = 0; index < length; index++) {
    unsigned value;
    sscanf(text + index * 2, "%2x", &value);
    bytes[index] = (unsigned char)value;
  }
  return length;
}

static void set_suite(srtp_policy_t *policy, const char *suite) {
  if (strcmp(suite, "AEAD_AES_256_GCM") == 0) {
    srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
    srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
  } else if (strcmp(suite, "AEAD_AES_128_GCM") == 0) {
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
    srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
  } else if (strcmp(suite, "AES_CM_128_HMAC_SHA1_32") == 0) {
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy->rtp);
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
  } else {
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtp);
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
  }
}

static srtp_t find_context(const char *direction, const char *suite, const char *key) {
  char name[256];
  snprintf(name, sizeof name, "%s %s %s", direction, suite, key);
  for (int index = 0; index < used; index++)
    if (strcmp(contexts[index].name, name) == 0) return contexts[index].session;
  if (used == MAX_CONTEXTS) exit(3);
  static unsigned char bytes[MAX_CONTEXTS][64];
  from_hex(key, bytes[used], sizeof bytes[used]);
  srtp_policy_t policy;
  memset(&policy, 0, sizeof policy);
  set_suite(&policy, suite);
  policy.ssrc.type = strcmp(direction, "protect") == 0 ? ssrc_any_outbound : ssrc_any_inbound;
  policy.key = bytes[used];
  policy.window_size = 128;
  strcpy(contexts[used].name, name);
  if (srtp_create(&contexts[used].session, &policy) != srtp_err_status_ok) exit(4);
  return contexts[used++].session;
}

int main(void) {
  char direction[16], protocol[8], suite[64], key[160], packet[2 * MAX_BYTES + 1];
  if (srtp_init() != srtp_err_status_ok) return 1;
  while (scanf("%15s %7s %63s %159s %4096s", direction, protocol, suite, key, packet) == 5) {
    unsigned char bytes[MAX_BYTES + SRTP_MAX_TRAILER_LEN + 4] __attribute__((aligned(8)));
    int length = (int)from_hex(packet, bytes, MAX_BYTES);
    srtp_t session = find_context(direction, suite, key);
    int rtp = strcmp(protocol, "rtp") == 0;
    srtp_err_status_t status =
        strcmp(direction, "protect") == 0
            ? (rtp ? srtp_protect(session, bytes, &length) : srtp_protect_rtcp(session, bytes, &length))
            : (rtp ? srtp_unprotect(session, bytes, &length) : srtp_unprotect_rtcp(session, bytes, &length));
    if (status != srtp_err_status_ok) {
      printf("error %d\n", (int)status);
    } else {
      for (int index = 0; index < length; index++) printf("%02x", bytes[index]);
      printf("\n");
    }
    fflush(stdout);
  }
  return 0;
}

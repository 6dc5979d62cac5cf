// SRTP session keys as keyed OpenSSL contexts: RFC 3711 §4.3, RFC 6188 for 256 bits, RFC 7714 §11.
// One cipher context per key, keyed once; HMAC-SHA1 from the two hash states that every tag starts with.
#pragma once
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <cstddef>
#include <cstdint>

namespace viaduct {

/** Sizes in bytes; `media/srtp-suites.ts` is the same table. */
struct Suite {
  const char* name;
  bool aead;
  size_t keyBytes, saltBytes, rtpTagBytes, rtcpTagBytes;
};

/** The suite of that exact name, or null. */
const Suite* findSuite(const char* name);

constexpr size_t kGcmTagBytes = 16;
constexpr size_t kHmacBytes = 20;
constexpr size_t kMaxMkiBytes = 128;

class SessionKeys {
 public:
  enum class Protocol : uint8_t { Rtp = 0, Rtcp = 3 };  // the first label of §4.3.2; the next two follow it

  SessionKeys() = default;
  ~SessionKeys();
  SessionKeys(const SessionKeys&) = delete;
  SessionKeys& operator=(const SessionKeys&) = delete;

  /** Derives from a master key and salt of the suite's sizes. False when OpenSSL refuses. */
  bool derive(const Suite& suite, const uint8_t* key, const uint8_t* salt, Protocol protocol, bool seals);

  const uint8_t* salt() const { return salt_; }

  /** AES-CM over `length` bytes; the same call encrypts and decrypts. `in` and `out` do not overlap. */
  bool counterMode(const uint8_t iv[16], const uint8_t* in, size_t length, uint8_t* out);
  /** HMAC-SHA1 of two runs of bytes; the second may be empty. */
  void authenticate(const uint8_t* bytes, size_t length, const uint8_t* more, size_t moreBytes,
                    uint8_t digest[kHmacBytes]) const;
  /** GCM: ciphertext to `out`, tag to `tag`. `aad` in two runs, the second may be empty. */
  bool seal(const uint8_t nonce[12], const uint8_t* aad, size_t aadBytes, const uint8_t* more, size_t moreBytes,
            const uint8_t* in, size_t length, uint8_t* out, uint8_t* tag);
  bool open(const uint8_t nonce[12], const uint8_t* aad, size_t aadBytes, const uint8_t* more, size_t moreBytes,
            const uint8_t* in, size_t length, uint8_t* out, const uint8_t* tag);

 private:
  bool keyCipher(const Suite& suite, const uint8_t* key, bool seals);
  void keyHmac(const uint8_t* key, size_t length);

  EVP_CIPHER_CTX* cipher_ = nullptr;
  SHA_CTX inner_{}, outer_{};
  uint8_t salt_[14] = {};
};

}  // namespace viaduct

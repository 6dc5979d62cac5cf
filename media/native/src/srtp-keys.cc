// Key derivation, and the only place that calls OpenSSL on the packet path.
#include "srtp-keys.h"

#include <openssl/crypto.h>

#include <cstring>

namespace viaduct {
namespace {

constexpr Suite kSuites[] = {
    {"AEAD_AES_256_GCM", true, 32, 12, 16, 16},
    {"AEAD_AES_128_GCM", true, 16, 12, 16, 16},
    {"AES_CM_128_HMAC_SHA1_80", false, 16, 14, 10, 10},
    {"AES_CM_128_HMAC_SHA1_32", false, 16, 14, 4, 10},
};

/** Looked up once: OpenSSL 3 searches its providers each time a cipher is named. Never freed, as OpenSSL asks. */
struct Ciphers {
  const EVP_CIPHER* counter128 = EVP_CIPHER_fetch(nullptr, "AES-128-CTR", nullptr);
  const EVP_CIPHER* counter256 = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
  const EVP_CIPHER* gcm128 = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  const EVP_CIPHER* gcm256 = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
};

const Ciphers& ciphers() {
  static const Ciphers fetched;
  return fetched;
}

/** The PRF of §4.3.3: AES in counter mode from (salt XOR label * 2^48) * 2^16, over zeros. */
class PseudoRandom {
 public:
  PseudoRandom(const Suite& suite, const uint8_t* key, const uint8_t* salt) : context_(EVP_CIPHER_CTX_new()) {
    std::memcpy(salt_, salt, suite.saltBytes);
    const EVP_CIPHER* cipher = suite.keyBytes == 32 ? ciphers().counter256 : ciphers().counter128;
    keyed_ = context_ != nullptr && cipher != nullptr &&
             EVP_EncryptInit_ex(context_, cipher, nullptr, key, nullptr) == 1;
  }
  ~PseudoRandom() {
    EVP_CIPHER_CTX_free(context_);
    OPENSSL_cleanse(salt_, sizeof salt_);
  }

  bool derive(int label, uint8_t* out, size_t length) {
    uint8_t counter[16] = {};
    std::memcpy(counter, salt_, sizeof salt_);
    counter[7] ^= static_cast<uint8_t>(label);
    const uint8_t zeros[32] = {};
    int written = 0;
    return keyed_ && EVP_EncryptInit_ex(context_, nullptr, nullptr, nullptr, counter) == 1 &&
           EVP_EncryptUpdate(context_, out, &written, zeros, static_cast<int>(length)) == 1;
  }

 private:
  EVP_CIPHER_CTX* context_;
  uint8_t salt_[14] = {};
  bool keyed_;
};

}  // namespace

const Suite* findSuite(const char* name) {
  for (const Suite& suite : kSuites)
    if (std::strcmp(suite.name, name) == 0) return &suite;
  return nullptr;
}

SessionKeys::~SessionKeys() {
  EVP_CIPHER_CTX_free(cipher_);
  OPENSSL_cleanse(&inner_, sizeof inner_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
  OPENSSL_cleanse(salt_, sizeof salt_);
}

bool SessionKeys::derive(const Suite& suite, const uint8_t* key, const uint8_t* salt, Protocol protocol,
                         bool seals) {
  const uint8_t label = static_cast<uint8_t>(protocol);
  uint8_t encryption[32], authentication[kHmacBytes];
  PseudoRandom random(suite, key, salt);
  const bool done = random.derive(label, encryption, suite.keyBytes) &&
                    random.derive(label + 1, authentication, sizeof authentication) &&
                    random.derive(label + 2, salt_, suite.saltBytes) && keyCipher(suite, encryption, seals);
  if (done && !suite.aead) keyHmac(authentication, sizeof authentication);
  OPENSSL_cleanse(encryption, sizeof encryption);
  OPENSSL_cleanse(authentication, sizeof authentication);
  return done;
}

bool SessionKeys::keyCipher(const Suite& suite, const uint8_t* key, bool seals) {
  cipher_ = EVP_CIPHER_CTX_new();
  if (cipher_ == nullptr) return false;
  if (!suite.aead) return EVP_EncryptInit_ex(cipher_, ciphers().counter128, nullptr, key, nullptr) == 1;
  const EVP_CIPHER* cipher = suite.keyBytes == 32 ? ciphers().gcm256 : ciphers().gcm128;
  return cipher != nullptr && EVP_CipherInit_ex(cipher_, cipher, nullptr, key, nullptr, seals ? 1 : 0) == 1;
}

void SessionKeys::keyHmac(const uint8_t* key, size_t length) {
  uint8_t block[SHA_CBLOCK];
  std::memset(block, 0x36, sizeof block);
  for (size_t at = 0; at < length; at++) block[at] ^= key[at];
  SHA1_Init(&inner_);
  SHA1_Update(&inner_, block, sizeof block);
  for (uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
  SHA1_Init(&outer_);
  SHA1_Update(&outer_, block, sizeof block);
  OPENSSL_cleanse(block, sizeof block);
}

bool SessionKeys::counterMode(const uint8_t iv[16], const uint8_t* in, size_t length, uint8_t* out) {
  int written = 0;
  return EVP_EncryptInit_ex(cipher_, nullptr, nullptr, nullptr, iv) == 1 &&
         EVP_EncryptUpdate(cipher_, out, &written, in, static_cast<int>(length)) == 1;
}

void SessionKeys::authenticate(const uint8_t* bytes, size_t length, const uint8_t* more, size_t moreBytes,
                               uint8_t digest[kHmacBytes]) const {
  SHA_CTX hash = inner_;
  SHA1_Update(&hash, bytes, length);
  SHA1_Update(&hash, more, moreBytes);
  SHA1_Final(digest, &hash);
  hash = outer_;
  SHA1_Update(&hash, digest, kHmacBytes);
  SHA1_Final(digest, &hash);
}

bool SessionKeys::seal(const uint8_t nonce[12], const uint8_t* aad, size_t aadBytes, const uint8_t* more,
                       size_t moreBytes, const uint8_t* in, size_t length, uint8_t* out, uint8_t* tag) {
  int written = 0;
  return EVP_EncryptInit_ex(cipher_, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_EncryptUpdate(cipher_, nullptr, &written, aad, static_cast<int>(aadBytes)) == 1 &&
         (moreBytes == 0 ||
          EVP_EncryptUpdate(cipher_, nullptr, &written, more, static_cast<int>(moreBytes)) == 1) &&
         (length == 0 || EVP_EncryptUpdate(cipher_, out, &written, in, static_cast<int>(length)) == 1) &&
         EVP_EncryptFinal_ex(cipher_, tag, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag) == 1;
}

bool SessionKeys::open(const uint8_t nonce[12], const uint8_t* aad, size_t aadBytes, const uint8_t* more,
                       size_t moreBytes, const uint8_t* in, size_t length, uint8_t* out, const uint8_t* tag) {
  int written = 0;
  uint8_t none[16];
  return EVP_DecryptInit_ex(cipher_, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_DecryptUpdate(cipher_, nullptr, &written, aad, static_cast<int>(aadBytes)) == 1 &&
         (moreBytes == 0 ||
          EVP_DecryptUpdate(cipher_, nullptr, &written, more, static_cast<int>(moreBytes)) == 1) &&
         (length == 0 || EVP_DecryptUpdate(cipher_, out, &written, in, static_cast<int>(length)) == 1) &&
         EVP_CIPHER_CTX_ctrl(cipher_, EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, const_cast<uint8_t*>(tag)) == 1 &&
         EVP_DecryptFinal_ex(cipher_, none, &written) == 1;
}

}  // namespace viaduct

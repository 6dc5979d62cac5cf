// See dtls.h.
#include "dtls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

namespace viaduct {
namespace {

constexpr size_t kCookieBytes = 32;
/** Largest plaintext of a record (RFC 6347 §4.1). */
constexpr size_t kMostPlaintext = 16384;

struct Freed {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename Thing>
using Owned = std::unique_ptr<Thing, Freed>;

Owned<BIO> reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/** A key that needs a passphrase is refused instead of asking the terminal. */
int noPassphrase(char*, int, int, void*) { return -1; }

bool useIdentity(SSL_CTX* context, const DtlsSettings& settings) {
  Owned<BIO> chain = reader(settings.certificate);
  Owned<BIO> keys = reader(settings.key);
  Owned<X509> leaf(PEM_read_bio_X509(chain.get(), nullptr, noPassphrase, nullptr));
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(keys.get(), nullptr, noPassphrase, nullptr));
  if (!leaf || !key || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  while (X509* above = PEM_read_bio_X509(chain.get(), nullptr, noPassphrase, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, above) == 1) continue;
    X509_free(above);
    return false;
  }
  ERR_clear_error();
  return SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1;
}

}  // namespace

DtlsSession::DtlsSession(SSL* ssl, std::unique_ptr<Datagrams> datagrams)
    : ssl_(ssl), datagrams_(std::move(datagrams)) {}

DtlsSession::~DtlsSession() { SSL_free(ssl_); }

void DtlsSession::receive(Bytes datagram, std::vector<Bytes>* data) {
  if (state_ == DtlsState::kClosed) return;
  datagrams_->received.push_back(std::move(datagram));
  advance(data);
  datagrams_->received.clear();
}

void DtlsSession::advance(std::vector<Bytes>* data) {
  ERR_clear_error();
  if (state_ == DtlsState::kHandshake) {
    const int done = SSL_accept(ssl_);
    if (done != 1) {
      const int error = SSL_get_error(ssl_, done);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) state_ = DtlsState::kClosed;
      ERR_clear_error();
      return;
    }
    state_ = DtlsState::kOpen;
  }
  uint8_t plaintext[kMostPlaintext];
  for (;;) {
    const int count = SSL_read(ssl_, plaintext, sizeof plaintext);
    if (count > 0) {
      data->emplace_back(plaintext, plaintext + count);
      continue;
    }
    const int error = SSL_get_error(ssl_, count);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) state_ = DtlsState::kClosed;
    ERR_clear_error();
    return;
  }
}

bool DtlsSession::send(const Bytes& message) {
  if (state_ != DtlsState::kOpen || message.empty() || message.size() > kMostPlaintext) return false;
  ERR_clear_error();
  const bool sent = SSL_write(ssl_, message.data(), static_cast<int>(message.size())) > 0;
  ERR_clear_error();
  return sent;
}

void DtlsSession::tick() {
  if (state_ != DtlsState::kHandshake) return;
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_) < 0) state_ = DtlsState::kClosed;
  ERR_clear_error();
}

void DtlsSession::close() {
  if (state_ == DtlsState::kOpen) SSL_shutdown(ssl_);
  ERR_clear_error();
  state_ = DtlsState::kClosed;
  SSL_free(ssl_);
  ssl_ = nullptr;
}

std::vector<Bytes> DtlsSession::take() {
  std::vector<Bytes> taken;
  taken.swap(datagrams_->toSend);
  return taken;
}

std::unique_ptr<DtlsContext> DtlsContext::create(const DtlsSettings& settings, std::string* error) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(DTLS_server_method());
  if (context == nullptr) {
    *error = "OpenSSL has no DTLS";
    return nullptr;
  }
  std::unique_ptr<DtlsContext> made(new DtlsContext(context, settings.cookieSecret, settings.mtu));
  SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
                                   SSL_OP_NO_COMPRESSION | SSL_OP_COOKIE_EXCHANGE | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_cookie_generate_cb(context, makeCookie);
  SSL_CTX_set_cookie_verify_cb(context, checkCookie);
  if (!useIdentity(context, settings))
    *error = "certificate and key are not PEM that belongs together";
  else if (SSL_CTX_set_cipher_list(context, settings.ciphers.c_str()) != 1)
    *error = "no cipher suite of the list is known";
  else if (SSL_CTX_set1_groups_list(context, settings.groups.c_str()) != 1)
    *error = "no group of the list is known";
  ERR_clear_error();
  return error->empty() ? std::move(made) : nullptr;
}

DtlsContext::DtlsContext(SSL_CTX* context, Bytes secret, long mtu)
    : context_(context), secret_(std::move(secret)), mtu_(mtu) {}

DtlsContext::~DtlsContext() {
  dropListening();
  SSL_CTX_free(context_);
}

void DtlsContext::dropListening() {
  SSL_free(listening_);
  listening_ = nullptr;
  datagrams_.reset();
}

bool DtlsContext::prepare() {
  if (listening_ != nullptr) return true;
  datagrams_ = std::make_unique<Datagrams>();
  datagrams_->mtu = mtu_;
  listening_ = SSL_new(context_);
  BIO* bio = listening_ == nullptr ? nullptr : newDatagramBio(datagrams_.get());
  if (bio == nullptr) {
    dropListening();
    return false;
  }
  SSL_set_bio(listening_, bio, bio);
  SSL_set_mtu(listening_, mtu_);
  SSL_set_app_data(listening_, this);
  SSL_set_accept_state(listening_);
  return true;
}

std::unique_ptr<DtlsSession> DtlsContext::listen(Bytes datagram, const Bytes& peer, std::vector<Bytes>* answer) {
  ERR_clear_error();
  if (!prepare()) return nullptr;
  peer_ = peer;
  datagrams_->received.push_back(std::move(datagram));
  static BIO_ADDR* const nowhere = BIO_ADDR_new();
  const int verdict = DTLSv1_listen(listening_, nowhere);
  ERR_clear_error();
  datagrams_->received.clear();
  answer->swap(datagrams_->toSend);
  if (verdict > 0) {
    // The cookie was checked; from here on the context is not asked about it again.
    auto session = std::make_unique<DtlsSession>(listening_, std::move(datagrams_));
    listening_ = nullptr;
    std::vector<Bytes> none;
    session->advance(&none);
    return session;
  }
  if (verdict < 0) dropListening();
  return nullptr;
}

unsigned DtlsContext::cookie(unsigned char* out) const {
  unsigned length = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), peer_.data(), peer_.size(), out, &length);
  return length;
}

int DtlsContext::makeCookie(SSL* ssl, unsigned char* cookie, unsigned int* length) {
  const auto* context = static_cast<const DtlsContext*>(SSL_get_app_data(ssl));
  *length = context->cookie(cookie);
  return *length == kCookieBytes;
}

int DtlsContext::checkCookie(SSL* ssl, const unsigned char* cookie, unsigned int length) {
  const auto* context = static_cast<const DtlsContext*>(SSL_get_app_data(ssl));
  unsigned char expected[EVP_MAX_MD_SIZE];
  return context->cookie(expected) == length && CRYPTO_memcmp(expected, cookie, length) == 0;
}

}  // namespace viaduct

// DTLS 1.2 at the server (RFC 6347) by OpenSSL, without sockets: datagrams in, datagrams and plaintext out. Whoever has
// not brought back our cookie costs one HMAC and leaves no state (§4.2.1); a ClientHello in fragments is not answered.
// All on the thread that calls; contexts and sessions are not shared between threads.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "datagrams.h"

namespace viaduct {

struct DtlsSettings {
  std::string certificate;  // PEM: leaf first, then its chain
  std::string key;          // PEM
  std::string ciphers;      // OpenSSL's words, TLS 1.2
  std::string groups;
  Bytes cookieSecret;
  long mtu;
};

enum class DtlsState { kHandshake = 0, kOpen = 1, kClosed = 2 };

/** One client's association. */
class DtlsSession {
 public:
  DtlsSession(SSL* ssl, std::unique_ptr<Datagrams> datagrams);
  ~DtlsSession();
  DtlsSession(const DtlsSession&) = delete;
  DtlsSession& operator=(const DtlsSession&) = delete;

  DtlsState state() const { return state_; }
  /** Takes one datagram; appends what it carried to `data`. */
  void receive(Bytes datagram, std::vector<Bytes>* data);
  /** One message as one record; false when it does not fit or the session is not open. */
  bool send(const Bytes& message);
  /** Sends the handshake's last flight again when its time has come. */
  void tick();
  /** Says goodbye and frees what the session holds; only `take` has an effect afterwards. */
  void close();
  /** Datagrams to send since the last call. */
  std::vector<Bytes> take();

 private:
  friend class DtlsContext;
  void advance(std::vector<Bytes>* data);

  SSL* ssl_;
  std::unique_ptr<Datagrams> datagrams_;
  DtlsState state_ = DtlsState::kHandshake;
};

/** What all clients of one listener share. */
class DtlsContext {
 public:
  /** Null with `error` when certificate, key or words are not usable. */
  static std::unique_ptr<DtlsContext> create(const DtlsSettings& settings, std::string* error);
  ~DtlsContext();
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  /**
   * A datagram of nobody known, from `peer` (address and port in any fixed form). A session when it carries our cookie;
   * else none, and perhaps one datagram in `answer`.
   */
  std::unique_ptr<DtlsSession> listen(Bytes datagram, const Bytes& peer, std::vector<Bytes>* answer);

 private:
  DtlsContext(SSL_CTX* context, Bytes secret, long mtu);
  bool prepare();
  void dropListening();
  unsigned cookie(unsigned char* out) const;
  static int makeCookie(SSL* ssl, unsigned char* cookie, unsigned int* length);
  static int checkCookie(SSL* ssl, const unsigned char* cookie, unsigned int length);

  SSL_CTX* context_;
  Bytes secret_;
  long mtu_;
  Bytes peer_;
  /** Waits for the next ClientHello; becomes the session of whoever brings a cookie. */
  SSL* listening_ = nullptr;
  std::unique_ptr<Datagrams> datagrams_;
};

}  // namespace viaduct

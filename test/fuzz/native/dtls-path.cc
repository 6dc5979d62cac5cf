// libFuzzer target of the DTLS server, run with AddressSanitizer and UndefinedBehaviorSanitizer. A real client of OpenSSL
// shakes hands with it; an input says, byte by byte, what becomes of each datagram on its way: it passes, is changed, cut,
// doubled, lost, replaced by the input's own bytes, or comes from somebody else.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "dtls.h"

using namespace viaduct;

namespace {

std::string pemOf(const std::function<void(BIO*)>& write) {
  BIO* memory = BIO_new(BIO_s_mem());
  write(memory);
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<size_t>(length));
  BIO_free(memory);
  return pem;
}

DtlsSettings settings() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  DtlsSettings made = {pemOf([&](BIO* to) { PEM_write_bio_X509(to, certificate); }),
                       pemOf([&](BIO* to) { PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr); }),
                       "ECDHE-ECDSA-AES128-GCM-SHA256",
                       "X25519:P-256",
                       Bytes(32, 7),
                       1232};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return made;
}

DtlsContext& context() {
  static const std::unique_ptr<DtlsContext> made = [] {
    std::string error;
    auto fresh = DtlsContext::create(settings(), &error);
    if (!fresh) abort();
    return fresh;
  }();
  return *made;
}

/** A client that follows the rules. */
struct Client {
  Datagrams datagrams;
  SSL* ssl;

  Client() {
    static SSL_CTX* const shared = SSL_CTX_new(DTLS_client_method());
    datagrams.mtu = 1232;
    ssl = SSL_new(shared);
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    BIO* bio = newDatagramBio(&datagrams);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_mtu(ssl, 1232);
    SSL_set_connect_state(ssl);
    step();
  }
  ~Client() { SSL_free(ssl); }

  void step() {
    char plaintext[4096];
    if (SSL_do_handshake(ssl) == 1) {
      while (SSL_read(ssl, plaintext, sizeof plaintext) > 0) continue;
      SSL_write(ssl, "hello", 5);
    }
    ERR_clear_error();
  }
};

/** What the input wants done to a datagram; its own exact size, so that reading beside it is seen. */
Bytes changed(Bytes datagram, const uint8_t*& at, const uint8_t* end) {
  const uint8_t what = at < end ? *at++ : 0;
  const size_t place = at < end ? *at++ : 0;
  if (datagram.empty()) return datagram;
  if ((what & 7) == 1) datagram[(place * 5) % datagram.size()] ^= static_cast<uint8_t>(what | 1);
  if ((what & 7) == 2) datagram.resize(place % datagram.size());
  if ((what & 7) == 3) {
    const size_t length = std::min<size_t>(place, static_cast<size_t>(end - at));
    datagram.assign(at, at + length);
    at += length;
  }
  if ((what & 7) == 4) datagram.clear();
  datagram.shrink_to_fit();
  return datagram;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint8_t* at = data;
  const uint8_t* const end = data + size;
  const Bytes peer = {1, 2, 3}, stranger = {4, 5, 6};
  Client client;
  std::unique_ptr<DtlsSession> session;
  for (int round = 0; round < 12; round++) {
    std::vector<Bytes> toServer, toClient, plaintext;
    toServer.swap(client.datagrams.toSend);
    for (Bytes& datagram : toServer) {
      const bool fromStranger = at < end && (*at & 0x80) != 0;
      const bool twice = at < end && (*at & 0x40) != 0;
      Bytes bytes = changed(std::move(datagram), at, end);
      for (int time = 0; time < (twice ? 2 : 1); time++) {
        if (fromStranger || !session) {
          std::vector<Bytes> answer;
          auto opened = context().listen(bytes, fromStranger ? stranger : peer, &answer);
          if (opened && !fromStranger) session = std::move(opened);
          for (Bytes& one : answer) toClient.push_back(std::move(one));
        } else {
          session->receive(bytes, &plaintext);
        }
      }
    }
    if (session) {
      if (session->state() == DtlsState::kOpen) session->send(Bytes(40, 1));
      if (round == 9) session->close();
      session->tick();
      for (Bytes& one : session->take()) toClient.push_back(std::move(one));
    }
    for (Bytes& one : toClient) {
      client.datagrams.received.push_back(std::move(one));
      client.step();
    }
  }
  return 0;
}

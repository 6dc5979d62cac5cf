// NOTE to the author of this folder: my sources were put here by mistake for a few minutes (22:13-22:17) and overwrote your binding.cc and binding.gyp;
// both were restored from binding.ts and the build's makefile. Put your own back, or delete these three lines. (TURN data path: turn/relay/native.)
//
// The Node-API surface of DTLS sessions and bound TCP sockets. Handles are externals that free what they hold.
#include <uv.h>

#include <cerrno>

#include "dtls.h"
#include "tcp-socket.h"
#include "values.h"

namespace viaduct {
namespace {

class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env(env) {
    size_t count = kMax;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
    for (size_t at = count; at < kMax; at++) values_[at] = nullptr;
  }
  Value at(size_t index) const { return Value(env, values_[index]); }
  template <typename Held>
  Held* held(size_t index) const {
    void* data = nullptr;
    napi_valuetype type = napi_undefined;
    if (values_[index] != nullptr) napi_typeof(env, values_[index], &type);
    if (type == napi_external) napi_get_value_external(env, values_[index], &data);
    return static_cast<Held*>(data);
  }
  napi_env env;

 private:
  static constexpr size_t kMax = 3;
  napi_value values_[kMax] = {};
};

template <typename Held>
napi_value external(napi_env env, std::unique_ptr<Held> held) {
  napi_value out = nullptr;
  const auto free = [](napi_env, void* data, void*) { delete static_cast<Held*>(data); };
  if (napi_create_external(env, held.get(), free, nullptr, &out) == napi_ok) held.release();
  return out;
}

napi_value buffers(napi_env env, const std::vector<Bytes>& all) {
  napi_value out = nullptr;
  napi_create_array_with_length(env, all.size(), &out);
  for (uint32_t at = 0; at < all.size(); at++) {
    napi_value buffer = nullptr;
    napi_create_buffer_copy(env, all[at].size(), all[at].data(), nullptr, &buffer);
    napi_set_element(env, out, at, buffer);
  }
  return out;
}

napi_value tuple(napi_env env, std::initializer_list<napi_value> values) {
  napi_value out = nullptr;
  uint32_t at = 0;
  napi_create_array_with_length(env, values.size(), &out);
  for (napi_value value : values) napi_set_element(env, out, at++, value);
  return out;
}

std::string words(const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); }

napi_value createContext(napi_env env, napi_callback_info info) {
  const Value value = Arguments(env, info).at(0);
  const DtlsSettings settings{words(value.get("certificate").bytes()), words(value.get("key").bytes()),
                              words(value.get("ciphers").bytes()),     words(value.get("groups").bytes()),
                              value.get("cookieSecret").bytes(),       static_cast<long>(value.get("mtu").number())};
  std::string error;
  std::unique_ptr<DtlsContext> context = DtlsContext::create(settings, &error);
  return context == nullptr ? fail(env, "dtls", error) : external(env, std::move(context));
}

napi_value listen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  auto* context = arguments.held<DtlsContext>(0);
  if (context == nullptr) return fail(env, "dtls", "not a DTLS context");
  std::vector<Bytes> answer;
  std::unique_ptr<DtlsSession> session = context->listen(arguments.at(1).bytes(), arguments.at(2).bytes(), &answer);
  if (session == nullptr) return tuple(env, {buffers(env, answer), undefined(env)});
  for (Bytes& datagram : session->take()) answer.push_back(std::move(datagram));
  return tuple(env, {buffers(env, answer), external(env, std::move(session))});
}

napi_value report(napi_env env, DtlsSession& session, const std::vector<Bytes>& data) {
  const napi_value toSend = buffers(env, session.take());
  return tuple(env, {number(env, static_cast<double>(session.state())), toSend, buffers(env, data)});
}

using Body = napi_value (*)(const Arguments& arguments, DtlsSession& session);
template <Body body>
napi_value onSession(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  auto* session = arguments.held<DtlsSession>(0);
  return session == nullptr ? fail(env, "dtls", "not a DTLS session") : body(arguments, *session);
}

napi_value receive(const Arguments& arguments, DtlsSession& session) {
  std::vector<Bytes> data;
  session.receive(arguments.at(1).bytes(), &data);
  return report(arguments.env, session, data);
}

napi_value send(const Arguments& arguments, DtlsSession& session) {
  session.send(arguments.at(1).bytes());
  return buffers(arguments.env, session.take());
}

napi_value tick(const Arguments& arguments, DtlsSession& session) {
  session.tick();
  return report(arguments.env, session, {});
}

napi_value closeSession(const Arguments& arguments, DtlsSession& session) {
  session.close();
  return buffers(arguments.env, session.take());
}

napi_value tcpSocket(napi_env env, napi_callback_info info) {
  const Address bind = Arguments(env, info).at(0).address();
  if (!bind) return fail(env, "EINVAL", "TCP: not an address");
  const int socket = boundTcpSocket(bind);
  if (socket >= 0) return number(env, socket);
  char name[32];
  uv_err_name_r(-errno, name, sizeof name);
  return fail(env, name, "TCP " + hostText(bind) + ":" + std::to_string(bind.port) + ": " + name);
}

napi_value initialise(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback function;
  } functions[] = {
      {"createContext", createContext}, {"listen", listen},
      {"receive", onSession<receive>},  {"send", onSession<send>},
      {"tick", onSession<tick>},        {"closeSession", onSession<closeSession>},
      {"tcpSocket", tcpSocket},
  };
  for (const auto& [name, function] : functions) {
    napi_value value = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}

}  // namespace
}  // namespace viaduct

NAPI_MODULE_INIT() { return viaduct::initialise(env, exports); }

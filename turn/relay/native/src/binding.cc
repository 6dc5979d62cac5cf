// The Node-API surface of the TURN relay: one function per control call, each on an engine handle.
#include <algorithm>

#include "addon.h"
#include "relay.h"

namespace viaduct {

/**
 * All that waits in one buffer and one call, because a call costs more than a request: records one after another, each
 * behind its length in 32 bits; and whether more waits for another turn of the loop, as others want to be heard too.
 */
void Relay::drain(napi_env env, napi_value listener, const bool& open) {
  revive();
  std::vector<uint8_t> batch;
  const bool more = drainRecords([&](const uint8_t* record, size_t length) {
    const uint32_t bytes = static_cast<uint32_t>(length);
    const size_t at = batch.size();
    batch.resize(at + 4 + length);
    std::memcpy(batch.data() + at, &bytes, 4);
    std::memcpy(batch.data() + at + 4, record, length);
  });
  if (batch.empty() || !open) return;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value arguments[2] = {};
  napi_get_boolean(env, more, &arguments[1]);
  if (napi_create_buffer_copy(env, batch.size(), batch.data(), nullptr, &arguments[0]) == napi_ok)
    callListener(env, listener, 2, arguments);
  napi_close_handle_scope(env, scope);
}

namespace {

using Call = CallOf<Relay>;
template <napi_value (*body)(Call& call)>
constexpr napi_callback invoke = invokeOf<Relay, body>;

/** Address and port as two arguments. */
Address addressAt(const Call& call, size_t index) {
  Address address;
  const auto port = static_cast<uint16_t>(call.at(index + 1).number());
  return parseAddress(call.at(index).text().c_str(), port, &address) ? address : Address();
}

/** The bytes of a Buffer, which stays where it is during the call. */
struct View {
  explicit View(const Value& value) { value.view(&bytes, &length); }
  const uint8_t* bytes = nullptr;
  size_t length = 0;
};

napi_value openListener(Call& call) {
  const Address bind = addressAt(call, 1);
  if (!bind) return fail(call.env, "bind-failed", "UDP: not an address");
  uint32_t id = 0;
  Address bound;
  int receiveBuffer = 0;
  const Refusal refusal = call.engine().openListener(bind, &id, &bound, &receiveBuffer);
  if (refusal) return fail(call.env, refusal.code, refusal.text);
  call.instance->holdLoop(call.env);
  return list(call.env,
              {static_cast<double>(id), static_cast<double>(bound.port), static_cast<double>(receiveBuffer)});
}

/** listener, address, port, bytes */
napi_value sendControl(Call& call) {
  const View view(call.at(4));
  const Address to = addressAt(call, 2);
  if (to) call.engine().sendControl(call.at(1).handle(), view.bytes, view.length, to);
  return undefined(call.env);
}

ClientSpec clientAt(const Call& call, size_t index) {
  ClientSpec client;
  client.listener = call.at(index).handle();
  if (client.listener != 0) client.remote = addressAt(call, index + 1);
  return client;
}

/** allocation, listener or 0, address, port, relays */
napi_value open(Call& call) {
  std::vector<Address> relays;
  for (const Value& relay : call.at(5).items()) relays.push_back(relay.address());
  const bool numeric = std::all_of(relays.begin(), relays.end(), [](const Address& each) { return bool(each); });
  if (!numeric) return fail(call.env, "bind-failed", "UDP: not an address");
  const Refusal refusal = call.engine().open(call.at(1).handle(), clientAt(call, 2), relays);
  return refusal ? fail(call.env, refusal.code, refusal.text) : undefined(call.env);
}

napi_value setClient(Call& call) {
  call.engine().setClient(call.at(1).handle(), clientAt(call, 2));
  return undefined(call.env);
}

/** allocation, address, first and last of each range of ports in one list; without it any port */
napi_value permit(Call& call) {
  Permission permission;
  if (!parseAddress(call.at(2).text().c_str(), 0, &permission.host)) return undefined(call.env);
  const Value ports = call.at(3);
  permission.anyPort = !ports.present();
  const std::vector<Value> bounds = ports.items();
  for (size_t at = 0; at + 1 < bounds.size(); at += 2) {
    permission.ports.push_back(
        {static_cast<uint16_t>(bounds[at].number()), static_cast<uint16_t>(bounds[at + 1].number())});
  }
  call.engine().permit(call.at(1).handle(), permission);
  return undefined(call.env);
}

napi_value forbid(Call& call) {
  Address host;
  if (parseAddress(call.at(2).text().c_str(), 0, &host)) call.engine().forbid(call.at(1).handle(), host);
  return undefined(call.env);
}

napi_value bindChannel(Call& call) {
  const Channel channel{static_cast<uint16_t>(call.at(2).number()), addressAt(call, 3)};
  if (channel.peer) call.engine().bindChannel(call.at(1).handle(), channel);
  return undefined(call.env);
}

napi_value unbindChannel(Call& call) {
  call.engine().unbindChannel(call.at(1).handle(), static_cast<uint16_t>(call.at(2).number()));
  return undefined(call.env);
}

napi_value fromStream(Call& call) {
  const View view(call.at(2));
  napi_value out = nullptr;
  napi_get_boolean(call.env, call.engine().fromStream(call.at(1).handle(), view.bytes, view.length), &out);
  return out;
}

napi_value closeRelay(Call& call) {
  call.engine().closeRelay(call.at(1).handle(), static_cast<int>(call.at(2).number()));
  return undefined(call.env);
}

napi_value counters(Call& call) {
  std::vector<double> values;
  return call.engine().counters(call.at(1).handle(), &values) ? list(call.env, values) : undefined(call.env);
}

napi_value sweep(Call& call) { return list(call.env, call.engine().sweep()); }

napi_value wakeAgain(Call& call) {
  if (call.instance->open) call.engine().wakeAgain();
  return undefined(call.env);
}

napi_value disturb(Call& call) {
  call.engine().disturb(call.at(1).handle());
  return undefined(call.env);
}

napi_value sizes(Call& call) {
  const Relay& relay = call.engine();
  return list(call.env, {static_cast<double>(relay.listeners()), static_cast<double>(relay.relays())});
}

napi_value close(Call& call) {
  call.instance->close(call.env);
  return undefined(call.env);
}

/** An errno as Node names it. */
napi_value errorName(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr, out = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  char name[32];
  uv_err_name_r(-static_cast<int>(Value(env, argument).number()), name, sizeof name);
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &out);
  return out;
}

TurnLimits readLimits(const Value& value) {
  TurnLimits limits;
  limits.maxRelays = value.get("maxRelays").handle();
  limits.listenerBufferBytes = value.get("listenerBufferBytes").handle();
  limits.relayBufferBytes = value.get("relayBufferBytes").handle();
  limits.controlsPerSecond = value.get("controlsPerSecond").handle();
  for (const Value& each : value.get("own").items()) {
    OwnAddress own;
    if (parseAddress(each.get("announced").text().c_str(), 0, &own.announced) &&
        parseAddress(each.get("reachable").text().c_str(), 0, &own.reachable))
      limits.own.push_back(own);
  }
  for (const Value& type : value.get("knownAttributes").items()) limits.knownAttributes.push_back(type.handle());
  return limits;
}

/** (limits, listener) → engine handle. */
napi_value create(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  auto* instance = new Instance<Relay>(readLimits(Value(env, arguments[0])));
  return Instance<Relay>::create(env, instance, arguments[1], "TURN relay");
}

napi_value initialise(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback function;
  } functions[] = {
      {"create", create},
      {"openListener", invoke<openListener>},
      {"sendControl", invoke<sendControl>},
      {"open", invoke<open>},
      {"setClient", invoke<setClient>},
      {"permit", invoke<permit>},
      {"forbid", invoke<forbid>},
      {"bindChannel", invoke<bindChannel>},
      {"unbindChannel", invoke<unbindChannel>},
      {"fromStream", invoke<fromStream>},
      {"closeRelay", invoke<closeRelay>},
      {"counters", invoke<counters>},
      {"sweep", invoke<sweep>},
      {"wakeAgain", invoke<wakeAgain>},
      {"disturb", invoke<disturb>},
      {"sizes", invoke<sizes>},
      {"close", invoke<close>},
      {"errorName", errorName},
  };
  return exportAll(env, exports, functions);
}

}  // namespace
}  // namespace viaduct

NAPI_MODULE_INIT() { return viaduct::initialise(env, exports); }

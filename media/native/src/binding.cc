// The Node-API surface: one function per control call, each on an engine handle.
#include <cmath>

#include "addon.h"
#include "engine.h"

namespace viaduct {
namespace {

/** Tells one event: type, handle, value, source, bytes. A listener that throws is the process's to judge. */
void tell(napi_env env, napi_value listener, const Event& event) {
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value bytes = undefined(env), code = undefined(env);
  if (event.length > 0) napi_create_buffer_copy(env, event.length, event.bytes, nullptr, &bytes);
  if (event.type == EventType::PortFailed) {
    char name[32];
    uv_err_name_r(-static_cast<int>(event.value), name, sizeof name);
    napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code);
  }
  napi_value arguments[] = {number(env, static_cast<double>(event.type)),
                            number(env, event.handle),
                            number(env, event.value),
                            addressValue(env, event.source),
                            bytes,
                            code};
  callListener(env, listener, 6, arguments);
  napi_close_handle_scope(env, scope);
}

}  // namespace

void Engine::drain(napi_env env, napi_value listener, const bool& open) {
  events_.drain([&](const Event& event) {
    if (open) tell(env, listener, event);
  });
}

namespace {

using Call = CallOf<Engine>;
template <napi_value (*body)(Call& call)>
constexpr napi_callback invoke = invokeOf<Engine, body>;

napi_value done(Call& call, const Refusal& refusal) {
  return refusal ? fail(call.env, refusal.code, refusal.text) : undefined(call.env);
}

/** `id` by reference: the refusal beside it is what fills it. */
napi_value handle(Call& call, const Refusal& refusal, const uint32_t& id) {
  return refusal ? fail(call.env, refusal.code, refusal.text) : number(call.env, id);
}

napi_value openPort(Call& call) {
  uint32_t id = 0;
  Address bound;
  const Address bind = call.at(1).address();
  if (!bind) return fail(call.env, "bind-failed", "UDP: not an address");
  int receiveBuffer = 0;
  const Refusal refusal = call.engine().openPort(bind, call.at(2).flag(), &id, &bound, &receiveBuffer);
  if (refusal) return fail(call.env, refusal.code, refusal.text);
  call.instance->holdLoop(call.env);
  return list(call.env,
              {static_cast<double>(id), static_cast<double>(bound.port), static_cast<double>(receiveBuffer)});
}

napi_value closePort(Call& call) {
  call.engine().closePort(call.at(1).handle());
  call.instance->holdLoop(call.env);
  return undefined(call.env);
}

napi_value sendStun(Call& call) {
  const std::vector<uint8_t> bytes = call.at(2).bytes();
  const Address to = call.at(3).address();
  if (to) call.engine().sendStun(call.at(1).handle(), bytes.data(), bytes.size(), to);
  return undefined(call.env);
}

napi_value addLink(Call& call) {
  uint32_t id = 0;
  return handle(call, call.engine().addLink(call.at(1).handle(), call.at(2).address(), &id), id);
}

napi_value setLinkRemote(Call& call) {
  return done(call, call.engine().setLinkRemote(call.at(1).handle(), call.at(2).address()));
}

napi_value setLinkPort(Call& call) {
  return done(call, call.engine().setLinkPort(call.at(1).handle(), call.at(2).handle()));
}

napi_value removeLink(Call& call) {
  call.engine().removeLink(call.at(1).handle());
  return undefined(call.env);
}

napi_value linkCounters(Call& call) {
  const LinkCounters* counters = call.engine().linkCounters(call.at(1).handle());
  if (counters == nullptr) return undefined(call.env);
  std::vector<double> values;
  for (const Counter* counter :
       {&counters->packetsIn, &counters->packetsOut, &counters->unknownChannel, &counters->malformed})
    values.push_back(static_cast<double>(counter->get()));
  return list(call.env, values);
}

std::vector<SourceState> sourceStates(const Value& value) {
  std::vector<SourceState> states;
  for (const Value& item : value.items()) {
    states.push_back({item.get("ssrc").handle(), static_cast<int64_t>(item.get("rtpIndex").number()),
                      static_cast<int64_t>(item.get("rtcpIndex").number())});
  }
  return states;
}

napi_value addCrypto(Call& call) {
  const Value spec = call.at(1), master = spec.get("master");
  const Suite* suite = findSuite(spec.get("suite").text().c_str());
  if (suite == nullptr) return fail(call.env, "unknown-handle", "no such SRTP suite in the media engine");
  const CryptoSpec crypto{spec.get("direction").text() == "protect",
                          suite,
                          master.get("key").bytes(),
                          master.get("salt").bytes(),
                          master.get("mki").bytes(),
                          call.engine().limits().maxSourcesPerKey,
                          sourceStates(spec.get("states"))};
  uint32_t id = 0;
  return handle(call, call.engine().addCrypto(crypto, &id), id);
}

napi_value removeCrypto(Call& call) {
  call.engine().removeCrypto(call.at(1).handle());
  return undefined(call.env);
}

/** SSRC, RTP index, RTCP index of each source in one list. */
napi_value cryptoStates(Call& call) {
  std::vector<SourceState> states;
  if (!call.engine().cryptoStates(call.at(1).handle(), &states)) return undefined(call.env);
  std::vector<double> values;
  for (const SourceState& state : states) {
    values.push_back(state.ssrc);
    values.push_back(static_cast<double>(state.rtpIndex));
    values.push_back(static_cast<double>(state.rtcpIndex));
  }
  return list(call.env, values);
}

OutputSpec outputSpec(const Value& value) {
  OutputSpec output;
  if (!value.present()) return output;
  output.port = value.get("port").handle();
  output.remote = value.get("remote").address();
  output.link = value.get("link").handle();
  output.channel = value.get("channel").handle();
  if (output.link == 0 && !output.remote) output.port = 0;
  return output;
}

FlowChange flowChange(const Value& value, const Value& accept) {
  FlowChange change;
  change.hasAccept = accept.present();
  const std::string kind = change.hasAccept ? accept.get("kind").text() : "";
  if (kind == "exact") {
    change.source = accept.get("source").address();
  } else if (kind == "address") {
    change.source = accept.address();
  }
  if (change.source) change.accept = kind == "exact" ? Accept::Exact : Accept::Host;
  change.hasUnprotect = value.get("unprotect").present();
  for (const Value& item : value.get("unprotect").items()) change.unprotect.push_back(item.handle());
  change.hasProtect = value.has("protect");
  change.protect = value.get("protect").handle();
  change.hasRtp = value.has("rtp");
  change.rtp = outputSpec(value.get("rtp"));
  change.hasRtcp = value.has("rtcp");
  change.rtcp = outputSpec(value.get("rtcp"));
  return change;
}

napi_value addFlow(Call& call) {
  const Value value = call.at(1), input = value.get("input"), probe = value.get("probe");
  FlowSpec spec;
  spec.port = input.get("port").handle();
  spec.link = input.get("link").handle();
  spec.channel = input.get("channel").handle();
  spec.tokened = input.get("tokened").flag();
  spec.opaque = value.get("content").text() == "opaque";
  spec.passthrough = value.get("content").text() == "passthrough";
  spec.idleAfterMs = value.get("idleAfterMs").number();
  spec.probes = probe.present();
  spec.probeLink = probe.get("link").handle();
  spec.probeChannel = probe.get("channel").handle();
  spec.probeSources = probe.get("maxSources").handle();
  spec.probesPerSecond = probe.get("packetsPerSecond").number();
  spec.rest = flowChange(value, input.get("accept"));
  uint32_t id = 0;
  return handle(call, call.engine().addFlow(spec, &id), id);
}

napi_value changeFlow(Call& call) {
  const Value change = call.at(2);
  return done(call, call.engine().changeFlow(call.at(1).handle(), flowChange(change, change.get("accept"))));
}

napi_value removeFlow(Call& call) {
  call.engine().removeFlow(call.at(1).handle());
  return undefined(call.env);
}

/** packetsIn, bytesIn, packetsOut, probed, then the drops in the order of `Drop`. */
napi_value counters(Call& call) {
  const FlowCounters* counters = call.engine().counters(call.at(1).handle());
  if (counters == nullptr) return undefined(call.env);
  std::vector<double> values;
  for (const Counter* counter :
       {&counters->packetsIn, &counters->bytesIn, &counters->packetsOut, &counters->probed})
    values.push_back(static_cast<double>(counter->get()));
  for (const Counter& counter : counters->drops) values.push_back(static_cast<double>(counter.get()));
  return list(call.env, values);
}

napi_value tokenSource(Call& call) {
  return addressValue(call.env, call.engine().tokenSource(call.at(1).handle(), call.at(2).handle()));
}

/** Flow and number of bad tags (0: the flow is idle), in pairs. */
napi_value sweep(Call& call) {
  std::vector<double> values;
  for (const Finding& finding : call.engine().sweep()) {
    values.push_back(finding.flow);
    values.push_back(static_cast<double>(finding.badTags));
  }
  return list(call.env, values);
}

napi_value setClock(Call& call) {
  call.engine().setClock(static_cast<int64_t>(std::llround(call.at(1).number() * 1e6)));
  return undefined(call.env);
}

/** Ports, links, crypto contexts, flows, and events lost because nobody took them in time. */
napi_value sizes(Call& call) {
  Engine& engine = call.engine();
  std::vector<double> values;
  for (const size_t size : {engine.ports(), engine.links(), engine.crypto(), engine.flows()})
    values.push_back(static_cast<double>(size));
  values.push_back(static_cast<double>(engine.events().lost()));
  return list(call.env, values);
}

napi_value close(Call& call) {
  call.instance->close(call.env);
  return undefined(call.env);
}

Limits readLimits(const Value& value) {
  return {value.get("maxPorts").handle(),         value.get("maxFlows").handle(),
          value.get("maxLinks").handle(),         value.get("maxSourcesPerKey").handle(),
          value.get("stunPerSecond").handle(),    value.get("trunkBufferBytes").handle()};
}

/** (limits, listener) → engine handle. */
napi_value create(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  auto* instance = new Instance<Engine>(readLimits(Value(env, arguments[0])));
  return Instance<Engine>::create(env, instance, arguments[1], "media engine");
}

napi_value initialise(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback function;
  } functions[] = {
      {"create", create},
      {"openPort", invoke<openPort>},
      {"closePort", invoke<closePort>},
      {"sendStun", invoke<sendStun>},
      {"addLink", invoke<addLink>},
      {"setLinkRemote", invoke<setLinkRemote>},
      {"setLinkPort", invoke<setLinkPort>},
      {"removeLink", invoke<removeLink>},
      {"linkCounters", invoke<linkCounters>},
      {"addCrypto", invoke<addCrypto>},
      {"removeCrypto", invoke<removeCrypto>},
      {"cryptoStates", invoke<cryptoStates>},
      {"addFlow", invoke<addFlow>},
      {"changeFlow", invoke<changeFlow>},
      {"removeFlow", invoke<removeFlow>},
      {"counters", invoke<counters>},
      {"tokenSource", invoke<tokenSource>},
      {"sweep", invoke<sweep>},
      {"setClock", invoke<setClock>},
      {"sizes", invoke<sizes>},
      {"close", invoke<close>},
  };
  return exportAll(env, exports, functions);
}

}  // namespace
}  // namespace viaduct

NAPI_MODULE_INIT() { return viaduct::initialise(env, exports); }

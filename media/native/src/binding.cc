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
  if (event.type == EventType::ShardFailed) {
    napi_create_string_utf8(env, reinterpret_cast<const char*>(event.bytes), event.length, &code);
  } else if (event.length > 0) {
    napi_create_buffer_copy(env, event.length, event.bytes, nullptr, &bytes);
  }
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
  revive();  // before anybody is told: who asks then finds it at work
  drainEvents([&](const Event& event) {
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
  const Refusal refusal = call.engine().openPort(bind, call.at(2).flag(), call.at(3).handle(), &id, &bound, &receiveBuffer);
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

napi_value movePort(Call& call) {
  return done(call, call.engine().movePort(call.at(1).handle(), call.at(2).handle()));
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

void seenWords(const Value& value, uint32_t words[ReplayWindow::kSeenWords]) {
  const std::vector<Value> items = value.items();
  for (size_t at = 0; at < std::min(items.size(), ReplayWindow::kSeenWords); at++) words[at] = items[at].handle();
}

std::vector<SourceState> sourceStates(const Value& value) {
  std::vector<SourceState> states;
  for (const Value& item : value.items()) {
    SourceState state{item.get("ssrc").handle(), static_cast<int64_t>(item.get("rtpIndex").number()),
                      static_cast<int64_t>(item.get("rtcpIndex").number())};
    state.hasSeen = item.get("rtpSeen").present() && item.get("rtcpSeen").present();
    seenWords(item.get("rtpSeen"), state.rtpSeen);
    seenWords(item.get("rtcpSeen"), state.rtcpSeen);
    state.offset = item.get("sequenceOffset").handle();
    states.push_back(state);
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

/** Of each source: SSRC, RTP index, RTCP index, offset, four words of RTP and four of RTCP; in one list. */
napi_value cryptoStates(Call& call) {
  std::vector<SourceState> states;
  if (!call.engine().cryptoStates(call.at(1).handle(), &states)) return undefined(call.env);
  std::vector<double> values;
  for (const SourceState& state : states) {
    values.push_back(state.ssrc);
    values.push_back(static_cast<double>(state.rtpIndex));
    values.push_back(static_cast<double>(state.rtcpIndex));
    values.push_back(state.offset);
    values.insert(values.end(), std::begin(state.rtpSeen), std::end(state.rtpSeen));
    values.insert(values.end(), std::begin(state.rtcpSeen), std::end(state.rtcpSeen));
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
  output.dscp = static_cast<uint8_t>(value.get("dscp").handle() & 63);
  if (output.link == 0 && !output.remote) output.port = 0;
  return output;
}

std::shared_ptr<const Rewrite> rewriteOf(const Value& value) {
  if (!value.present()) return nullptr;
  auto rewrite = std::make_shared<Rewrite>();
  for (const Value& pair : value.get("ssrcs").items()) {
    const std::vector<Value> both = pair.items();
    if (both.size() == 2) rewrite->ssrcs.emplace_back(both[0].handle(), both[1].handle());
  }
  for (const Value& pair : value.get("payloadTypes").items()) {
    const std::vector<Value> both = pair.items();
    if (both.size() == 2) rewrite->payloadTypes.emplace_back(both[0].handle() & 127, both[1].handle() & 127);
  }
  return rewrite;
}

CaptureView viewOf(const std::string& name) {
  if (name == "plain") return CaptureView::Plain;
  return name == "out" ? CaptureView::Out : CaptureView::In;
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
  change.hasRewrite = value.has("rewrite");
  change.rewrite = rewriteOf(value.get("rewrite"));
  change.hasClockRate = value.get("clockRate").present();
  change.clockRate = value.get("clockRate").handle();
  change.hasCapture = value.has("capture");
  change.capture = value.get("capture").get("id").handle();
  change.view = viewOf(value.get("capture").get("view").text());
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

/** packetsIn, bytesIn, packetsOut, probed, lost, jitter in milliseconds, then the drops in the order of `Drop`. */
napi_value counters(Call& call) {
  const FlowCounters* counters = call.engine().counters(call.at(1).handle());
  if (counters == nullptr) return undefined(call.env);
  std::vector<double> values;
  for (const Counter* counter :
       {&counters->packetsIn, &counters->bytesIn, &counters->packetsOut, &counters->probed})
    values.push_back(static_cast<double>(counter->get()));
  values.push_back(counters->lost.get());
  values.push_back(counters->jitterMs.get());
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

/** (packets, bytes of each that are kept) → capture. */
napi_value openCapture(Call& call) {
  uint32_t id = 0;
  return handle(call, call.engine().openCapture(call.at(1).handle(), call.at(2).handle(), &id), id);
}

napi_value closeCapture(Call& call) {
  call.engine().closeCapture(call.at(1).handle());
  return undefined(call.env);
}

/** Of each packet, oldest first: | milliseconds, double | flow, u32 | length, u32 | kept, u32 | bytes |, host order. */
napi_value readCapture(Call& call) {
  std::vector<uint8_t> records;
  const auto append = [&](const void* from, size_t length) {
    const auto* bytes = static_cast<const uint8_t*>(from);
    records.insert(records.end(), bytes, bytes + length);
  };
  const bool known = call.engine().readCapture(call.at(1).handle(), [&](const Capture& capture) {
    capture.read([&](int64_t atNs, uint32_t flow, uint32_t length, const uint8_t* bytes, uint32_t kept) {
      const double atMs = static_cast<double>(atNs) / 1e6;
      append(&atMs, sizeof atMs);
      for (const uint32_t word : {flow, length, kept}) append(&word, sizeof word);
      append(bytes, kept);
    });
  });
  if (!known) return undefined(call.env);
  napi_value out = nullptr;
  napi_create_buffer_copy(call.env, records.size(), records.data(), nullptr, &out);
  return out;
}

/** Gives dead shards a new thread; then of each shard its rounds and whether it stands still (1). */
napi_value lookAtShards(Call& call) {
  call.engine().revive();
  std::vector<double> values;
  for (const Engine::ShardState& state : call.engine().lookAtShards()) {
    values.push_back(static_cast<double>(state.rounds));
    values.push_back(state.stuck ? 1 : 0);
  }
  return list(call.env, values);
}

napi_value disturb(Call& call) {
  call.engine().disturb(call.at(1).handle(), call.at(2).handle());
  return undefined(call.env);
}

/** Ports, links, crypto contexts, flows, captures, and events lost because nobody took them in time. */
napi_value sizes(Call& call) {
  Engine& engine = call.engine();
  std::vector<double> values;
  for (const size_t size : {engine.ports(), engine.links(), engine.crypto(), engine.flows(), engine.captures()})
    values.push_back(static_cast<double>(size));
  values.push_back(static_cast<double>(engine.lostEvents()));
  return list(call.env, values);
}

napi_value close(Call& call) {
  call.instance->close(call.env);
  return undefined(call.env);
}

Limits readLimits(const Value& value) {
  return {value.get("maxPorts").handle(),         value.get("maxFlows").handle(),
          value.get("maxLinks").handle(),         value.get("maxSourcesPerKey").handle(),
          value.get("stunPerSecond").handle(),    value.get("trunkBufferBytes").handle(),
          value.get("maxCaptureBytes").handle()};
}

/** (limits, listener, shards) → engine handle. */
napi_value create(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  Limits limits = readLimits(Value(env, arguments[0]));
  limits.shards = Value(env, arguments[2]).handle();
  auto* instance = new Instance<Engine>(limits);
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
      {"movePort", invoke<movePort>},
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
      {"openCapture", invoke<openCapture>},
      {"closeCapture", invoke<closeCapture>},
      {"readCapture", invoke<readCapture>},
      {"lookAtShards", invoke<lookAtShards>},
      {"disturb", invoke<disturb>},
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

// What every engine of ours needs of Node-API: a handle that owns the engine, a wake-up of the JavaScript thread, an end
// with the environment (main thread or worker) that made it. An `Engine` has: start(), close(), holdsProcess() and
// drain(env, listener), which tells JavaScript what waits.
#pragma once
#include <uv.h>

#include <cerrno>
#include <cstring>

#include "values.h"

namespace viaduct {

/** Owned by its JavaScript handle and by the thread-safe function that wakes JavaScript: the later one frees it. */
template <typename Engine>
struct Instance {
  template <typename Options>
  explicit Instance(const Options& options)
      : engine(options, [this] { napi_call_threadsafe_function(waker, nullptr, napi_tsfn_nonblocking); }) {}
  Engine engine;
  napi_threadsafe_function waker = nullptr;
  int owners = 2;
  bool open = true;
  bool holdsLoop = false;

  /** The environment goes: its thread must not outlive it. */
  static void environmentEnds(void* data) {
    auto* instance = static_cast<Instance*>(data);
    instance->open = false;  // Node frees the waker itself from here on
    instance->engine.close();
  }

  void close(napi_env env) {
    if (!open) return;
    open = false;
    engine.close();
    napi_remove_env_cleanup_hook(env, environmentEnds, this);
    napi_release_threadsafe_function(waker, napi_tsfn_abort);
  }

  /** A process with an open socket stays alive, as with a socket of Node's own. */
  void holdLoop(napi_env env) {
    const bool hold = engine.holdsProcess();
    if (!open || hold == holdsLoop) return;
    holdsLoop = hold;
    if (hold) {
      napi_ref_threadsafe_function(env, waker);
    } else {
      napi_unref_threadsafe_function(env, waker);
    }
  }

  static void handleFreed(napi_env env, void* data, void*) {
    auto* instance = static_cast<Instance*>(data);
    instance->close(env);
    disown(instance);
  }
  static void wakerFreed(napi_env, void* data, void*) { disown(static_cast<Instance*>(data)); }
  static void drain(napi_env env, napi_value listener, void* context, void*) {
    auto* instance = static_cast<Instance*>(context);
    if (env != nullptr && instance->open) instance->engine.drain(env, listener, instance->open);
  }

  /** A handle whose engine runs, or null with an error pending. */
  static napi_value create(napi_env env, Instance* instance, napi_value listener, const char* what) {
    napi_value name = nullptr, external = nullptr;
    napi_create_string_utf8(env, what, NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(env, listener, nullptr, name, 0, 1, instance, wakerFreed, instance, drain,
                                        &instance->waker) != napi_ok) {
      delete instance;
      return fail(env, "bind-failed", std::string(what) + ": no listener");
    }
    napi_unref_threadsafe_function(env, instance->waker);
    napi_add_env_cleanup_hook(env, environmentEnds, instance);
    if (napi_create_external(env, instance, handleFreed, nullptr, &external) != napi_ok) return nullptr;
    if (!instance->engine.start()) {
      instance->close(env);
      return fail(env, "bind-failed", std::string(what) + ": its thread did not start: " + strerror(errno));
    }
    return external;
  }

 private:
  static void disown(Instance* instance) {
    instance->owners -= 1;
    if (instance->owners == 0) delete instance;
  }
};

/** The arguments of a call; the first is the engine's handle. */
template <typename Engine>
class CallOf {
 public:
  static constexpr size_t kMax = 8;

  CallOf(napi_env env, napi_callback_info info) : env(env) {
    size_t count = kMax;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
    for (size_t at = count; at < kMax; at++) values_[at] = nullptr;
    void* data = nullptr;
    napi_valuetype type = napi_undefined;
    if (count > 0) napi_typeof(env, values_[0], &type);
    if (type == napi_external) napi_get_value_external(env, values_[0], &data);
    instance = static_cast<Instance<Engine>*>(data);
  }

  Value at(size_t index) const { return Value(env, index < kMax ? values_[index] : nullptr); }
  Engine& engine() const { return instance->engine; }

  napi_env env;
  Instance<Engine>* instance;

 private:
  napi_value values_[kMax] = {};
};

template <typename Engine, napi_value (*body)(CallOf<Engine>& call)>
napi_value invokeOf(napi_env env, napi_callback_info info) {
  CallOf<Engine> call(env, info);
  if (call.instance == nullptr) return fail(env, "closed", "not an engine");
  return body(call);
}

/** Calls the listener; what it throws is the process's to judge. */
inline void callListener(napi_env env, napi_value listener, size_t count, const napi_value* arguments) {
  napi_value result = nullptr;
  if (napi_call_function(env, undefined(env), listener, count, arguments, &result) != napi_pending_exception) return;
  napi_value error = nullptr;
  napi_get_and_clear_last_exception(env, &error);
  napi_fatal_exception(env, error);
}

/** Adds named functions to the exports. */
template <typename Entries>
napi_value exportAll(napi_env env, napi_value exports, const Entries& entries) {
  for (const auto& [name, function] : entries) {
    napi_value value = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}

}  // namespace viaduct

// JavaScript values to C++ and back. Reading is strict about nothing but memory: the types are TypeScript's to hold;
// a missing or odd value becomes zero, empty or absent.
#pragma once
#include <node_api.h>

#include <string>
#include <vector>

#include "address.h"

namespace viaduct {

class Value {
 public:
  Value(napi_env env, napi_value value) : env_(env), value_(value) {}

  bool present() const;  // neither undefined nor null
  bool has(const char* name) const;
  Value get(const char* name) const;
  std::vector<Value> items() const;

  uint32_t handle() const;
  double number() const;
  bool flag() const;
  std::string text() const;
  std::vector<uint8_t> bytes() const;
  /** The bytes of a Buffer where they lie, valid during the call; untouched when it is none. */
  void view(const uint8_t** bytes, size_t* length) const;
  /** `{ address, port }`; none when it is not there or not numeric. */
  Address address() const;

 private:
  napi_env env_;
  napi_value value_;
};

napi_value undefined(napi_env env);
napi_value number(napi_env env, double value);
napi_value list(napi_env env, const std::vector<double>& values);
napi_value addressValue(napi_env env, const Address& address);
/** Leaves an Error with this `code` pending. */
napi_value fail(napi_env env, const std::string& code, const std::string& text);

}  // namespace viaduct

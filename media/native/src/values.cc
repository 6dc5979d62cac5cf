// See values.h.
#include "values.h"

namespace viaduct {

bool Value::present() const {
  napi_valuetype type = napi_undefined;
  if (value_ == nullptr || napi_typeof(env_, value_, &type) != napi_ok) return false;
  return type != napi_undefined && type != napi_null;
}

bool Value::has(const char* name) const {
  bool found = false;
  return present() && napi_has_named_property(env_, value_, name, &found) == napi_ok && found;
}

Value Value::get(const char* name) const {
  napi_value found = nullptr;
  if (present()) napi_get_named_property(env_, value_, name, &found);
  return Value(env_, found);
}

std::vector<Value> Value::items() const {
  std::vector<Value> items;
  bool isArray = false;
  uint32_t count = 0;
  if (!present() || napi_is_array(env_, value_, &isArray) != napi_ok || !isArray) return items;
  napi_get_array_length(env_, value_, &count);
  for (uint32_t at = 0; at < count; at++) {
    napi_value item = nullptr;
    napi_get_element(env_, value_, at, &item);
    items.emplace_back(env_, item);
  }
  return items;
}

uint32_t Value::handle() const {
  const double value = number();
  return value >= 0 && value <= 0xffffffffu ? static_cast<uint32_t>(value) : 0;
}

double Value::number() const {
  double value = 0;
  if (value_ == nullptr || napi_get_value_double(env_, value_, &value) != napi_ok) return 0;
  return value;
}

bool Value::flag() const {
  bool value = false;
  return value_ != nullptr && napi_get_value_bool(env_, value_, &value) == napi_ok && value;
}

std::string Value::text() const {
  char text[256] = "";
  size_t length = 0;
  if (value_ != nullptr) napi_get_value_string_utf8(env_, value_, text, sizeof text, &length);
  return std::string(text, length);
}

void Value::view(const uint8_t** bytes, size_t* length) const {
  bool isBuffer = false;
  void* data = nullptr;
  size_t found = 0;
  if (!present() || napi_is_buffer(env_, value_, &isBuffer) != napi_ok || !isBuffer) return;
  if (napi_get_buffer_info(env_, value_, &data, &found) != napi_ok || data == nullptr) return;
  *bytes = static_cast<const uint8_t*>(data);
  *length = found;
}

std::vector<uint8_t> Value::bytes() const {
  const uint8_t* from = nullptr;
  size_t length = 0;
  view(&from, &length);
  return std::vector<uint8_t>(from, from + length);
}

Address Value::address() const {
  Address address;
  if (present()) parseAddress(get("address").text().c_str(), static_cast<uint16_t>(get("port").number()), &address);
  return address.family == 0 ? Address() : address;
}

napi_value undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value number(napi_env env, double value) {
  napi_value out = nullptr;
  napi_create_double(env, value, &out);
  return out;
}

napi_value list(napi_env env, const std::vector<double>& values) {
  napi_value out = nullptr;
  napi_create_array_with_length(env, values.size(), &out);
  for (uint32_t at = 0; at < values.size(); at++) napi_set_element(env, out, at, number(env, values[at]));
  return out;
}

napi_value addressValue(napi_env env, const Address& address) {
  if (!address) return undefined(env);
  napi_value out = nullptr, host = nullptr;
  napi_create_object(env, &out);
  napi_create_string_utf8(env, hostText(address).c_str(), NAPI_AUTO_LENGTH, &host);
  napi_set_named_property(env, out, "address", host);
  napi_set_named_property(env, out, "port", number(env, address.port));
  return out;
}

napi_value fail(napi_env env, const std::string& code, const std::string& text) {
  napi_throw_error(env, code.c_str(), text.c_str());
  return nullptr;
}

}  // namespace viaduct

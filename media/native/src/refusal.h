// What a control call answers when it does not do what was asked.
#pragma once
#include <string>

namespace viaduct {

/** `code` is an error code of the TypeScript side. Empty: done. */
struct Refusal {
  std::string code, text;
  explicit operator bool() const { return !code.empty(); }
};

}  // namespace viaduct

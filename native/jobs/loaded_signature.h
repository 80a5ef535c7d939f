#pragma once
#include <napi.h>

#include <memory>

#include "../engine.h"
#include "arguments.h"

namespace ibt {

struct LoadedSignature {
  static constexpr napi_type_tag TAG = {0x6c69627273796e63, 0x7369676e61740002};
  std::shared_ptr<const Signature> signature;
};

// Throws EngineError.
std::shared_ptr<const Signature> load_signature(Span bytes, const CancelToken& cancel);

}  // namespace ibt

#include "memory.h"

#include <iterator>
#include <map>
#include <mutex>

#include "arguments.h"
#include "errors.h"

namespace ibt {
namespace {

// 32 bits of bytes: no job takes more at once.
constexpr double ALLOCATED_MAX = 4294967295.0;

class Block;
// By address, of all environments: a buffer may be transferred from one to another.
std::mutex blocks_mutex;
std::map<const uint8_t*, std::weak_ptr<const Block>> blocks;

class Block {
 public:
  static std::shared_ptr<const Block> make(size_t size) {
    auto block = std::make_shared<Block>();
    block->bytes_.reserve_more(size);
    const std::lock_guard<std::mutex> lock(blocks_mutex);
    blocks.emplace(block->bytes_.data(), block);
    return block;
  }
  // The block that these bytes lie in; null if there is none.
  static std::shared_ptr<const Block> of(const uint8_t* data, size_t size) {
    const std::lock_guard<std::mutex> lock(blocks_mutex);
    const auto behind = blocks.upper_bound(data);
    if (behind == blocks.begin()) return nullptr;
    auto block = std::prev(behind)->second.lock();
    const bool is_inside = block != nullptr && data + size <= block->bytes_.data() + block->bytes_.room();
    return is_inside ? block : nullptr;
  }
  ~Block() {
    const std::lock_guard<std::mutex> lock(blocks_mutex);
    blocks.erase(bytes_.data());
  }
  uint8_t* data() const { return bytes_.data(); }

 private:
  RawBytes bytes_;
};

}  // namespace

Span Held::keep(Span span) {
  if (span.size == 0) return span;
  if (auto block = Block::of(span.data, span.size)) {
    memory_.push_back(std::move(block));
    return span;
  }
  auto copy = std::make_shared<RawBytes>();
  copy->append(span.data, span.size);
  memory_.push_back(copy);
  return {copy->data(), span.size};
}

Room::Room(Napi::TypedArray array) : size_(array.ByteLength()) {
  data_ = static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  owner_ = Block::of(data_, size_);
  if (owner_ != nullptr || size_ == 0) return;
  own_.reserve_more(size_);
  data_ = own_.data();
  array_ = Napi::Persistent(array.As<Napi::Object>());
}

void Room::deliver(Napi::Env env, size_t used) {
  if (array_.IsEmpty() || used == 0) return;
  const auto array = array_.Value().As<Napi::TypedArray>();
  if (array.ByteLength() < used) {
    throw coded_error(env, "IBT_NATIVE", "Memory that a job was to fill was transferred while the job ran");
  }
  std::memcpy(static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), own_.data(), used);
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto size = static_cast<size_t>(integer(info, 0, "sizeBytes", 0, ALLOCATED_MAX));
  if (size == 0) return Napi::Buffer<uint8_t>::New(env, 0);
  auto owner = std::make_unique<std::shared_ptr<const Block>>(Block::make(size));
  uint8_t* const data = (*owner)->data();
  return Napi::Buffer<uint8_t>::NewOrCopy(
      env, data, size, [](Napi::Env, uint8_t*, std::shared_ptr<const Block>* kept) { delete kept; }, owner.release());
}

}  // namespace ibt

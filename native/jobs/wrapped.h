// C++ values that JavaScript holds: wrapped in an object that carries a type tag, so that no other object passes for it.
#pragma once
#include <napi.h>

#include <memory>

namespace ibt {

template <class T>
class Wrapped {
 public:
  // `bytes`: what it keeps outside JavaScript's heap.
  static Napi::Object make(Napi::Env env, std::shared_ptr<T> value, size_t bytes) {
    Napi::Object object = Napi::Object::New(env);
    auto* box = new Box{std::move(value), static_cast<int64_t>(bytes)};
    const napi_status status = napi_wrap(env, object, box, finalize, nullptr, nullptr);
    if (status != napi_ok) {
      delete box;
      throw Napi::Error::New(env);
    }
    object.TypeTag(&T::TAG);
    Napi::MemoryManagement::AdjustExternalMemory(env, box->bytes);
    return object;
  }

  static std::shared_ptr<T> get(Napi::Env env, Napi::Value value, const char* what) {
    if (value.IsObject()) {
      const Napi::Object object = value.As<Napi::Object>();
      void* box = nullptr;
      if (object.CheckTypeTag(&T::TAG) && napi_unwrap(env, object, &box) == napi_ok) {
        return static_cast<Box*>(box)->value;
      }
    }
    throw Napi::TypeError::New(env, std::string(what) + " is of another kind");
  }

 private:
  struct Box {
    std::shared_ptr<T> value;
    int64_t bytes;
  };

  static void finalize(napi_env env, void* data, void*) {
    Box* box = static_cast<Box*>(data);
    Napi::MemoryManagement::AdjustExternalMemory(Napi::Env(env), -box->bytes);
    delete box;
  }
};

}  // namespace ibt

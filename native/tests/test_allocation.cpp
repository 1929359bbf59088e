// A training loop that has run a few steps asks for no more memory: every allocation is counted.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "byhand/layers/additive_attention.hpp"
#include "byhand/layers/average_pool2d.hpp"
#include "byhand/layers/batch_norm.hpp"
#include "byhand/layers/concatenation.hpp"
#include "byhand/layers/convolution2d.hpp"
#include "byhand/layers/cross_attention.hpp"
#include "byhand/layers/dense.hpp"
#include "byhand/layers/dropout.hpp"
#include "byhand/layers/embedding.hpp"
#include "byhand/layers/encoder.hpp"
#include "byhand/layers/flatten.hpp"
#include "byhand/layers/general_attention.hpp"
#include "byhand/layers/gru.hpp"
#include "byhand/layers/layer_norm.hpp"
#include "byhand/layers/lstm.hpp"
#include "byhand/layers/max_pool2d.hpp"
#include "byhand/layers/one_hot.hpp"
#include "byhand/layers/residual.hpp"
#include "byhand/layers/self_attention.hpp"
#include "byhand/layers/sigmoid.hpp"
#include "byhand/layers/softmax.hpp"
#include "byhand/layers/summary.hpp"
#include "byhand/program.hpp"
#include "check.hpp"

// The sanitizers have a malloc of their own, and outside glibc there is no __libc_malloc to hand
// over to: there only `new` is counted.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BYHAND_SANITIZED
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(BYHAND_SANITIZED)
#define BYHAND_COUNT_MALLOC
#endif

namespace {

std::atomic<long> allocations = 0;

void* counted(void* memory) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* counted_or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return counted(memory);
}

}  // namespace

// GCC sees that this new comes from malloc, but not that this delete goes with it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

void* operator new(std::size_t size) { return counted_or_throw(std::malloc(size ? size : 1)); }
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted_or_throw(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#ifdef BYHAND_COUNT_MALLOC
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) { return counted(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) { return counted(__libc_calloc(count, size)); }
void* realloc(void* memory, std::size_t size) { return counted(__libc_realloc(memory, size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return counted(__libc_memalign(alignment, size));
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  *memory = counted(__libc_memalign(alignment, size));
  return *memory == nullptr ? 12 : 0;  // ENOMEM
}
}
#endif

using namespace byhand;

namespace {

template <class Function>
long allocations_during(Function&& function) {
  const long before = allocations.load();
  function();
  return allocations.load() - before;
}

void test_the_count() {
  constexpr std::align_val_t line{64};
  CHECK_EQUAL(allocations_during([] {}), 0);
  CHECK(allocations_during([] { operator delete(operator new(100)); }) >= 1);
  CHECK(allocations_during([] { operator delete[](operator new[](100)); }) >= 1);
  CHECK(allocations_during([] { operator delete(operator new(100, line), line); }) >= 1);
#ifdef BYHAND_COUNT_MALLOC
  void* volatile memory = nullptr;
  CHECK_EQUAL(allocations_during([&] { memory = std::malloc(100); }), 1);
  CHECK_EQUAL(allocations_during([&] { memory = std::realloc(memory, 1000); }), 1);
  std::free(memory);
  CHECK_EQUAL(allocations_during([&] { memory = std::calloc(10, 10); }), 1);
  std::free(memory);
#endif
}

/// What one training run is made of.
struct Setting {
  Index in, hidden, batch;
  int threads;
  bool probabilities;  // whether the model ends in Softmax
  bool adam;
  Clipping clipping;
  Index steps = 100;
};

template <class T>
Sequential<T> model(const Setting& s) {
  const auto in = static_cast<double>(s.in), hidden = static_cast<double>(s.hidden);
  std::vector<std::unique_ptr<Layer<T>>> layers;
  layers.push_back(std::make_unique<Dense<T>>(Settings{{"in", in}, {"out", hidden}}));
  layers.push_back(std::make_unique<Sigmoid<T>>(Settings{}));
  layers.push_back(std::make_unique<Dropout<T>>(Settings{{"rate", 0.5}, {"place", 2}}));
  layers.push_back(std::make_unique<Dense<T>>(Settings{{"in", hidden}, {"out", 10}}));
  if (s.probabilities) layers.push_back(std::make_unique<Softmax<T>>(Settings{}));
  return Sequential<T>(std::move(layers), Shape{s.in});
}

/// Two convolutions of images of 1 x 12 x 12, whose windows fill whole vectors and do not.
template <class T>
Sequential<T> image_model() {
  const auto moved = [](Settings settings, double kernel, double stride) {
    for (const std::string way : {"_height", "_width"}) {
      settings["kernel" + way] = kernel;
      settings["stride" + way] = stride;
      settings["padding" + way] = 0;
    }
    return settings;
  };
  const auto convolution = [&](double in, double out, double kernel) {
    return std::make_unique<Convolution2D<T>>(
        moved({{"in", in}, {"out", out}, {"groups", 1}}, kernel, 1));
  };
  std::vector<std::unique_ptr<Layer<T>>> layers;
  layers.push_back(convolution(1, 8, 5));
  layers.push_back(std::make_unique<MaxPool2D<T>>(moved({}, 2, 2)));
  layers.push_back(std::make_unique<BatchNorm<T>>(
      Settings{{"features", 8}, {"epsilon", 1e-5}, {"momentum", 0.1}}));
  layers.push_back(convolution(8, 6, 2));
  layers.push_back(std::make_unique<AveragePool2D<T>>(moved({}, 2, 1)));
  layers.push_back(std::make_unique<LayerNorm<T>>(Settings{{"features", 2}, {"epsilon", 1e-5}}));
  layers.push_back(std::make_unique<Flatten<T>>(Settings{}));
  layers.push_back(std::make_unique<Dense<T>>(Settings{{"in", 24}, {"out", 10}}));
  return Sequential<T>(std::move(layers), Shape{1, 12, 12});
}

/// Two recurrent layers over sequences of s.in ids, all 0, and their states carried on. What stands
/// for a label is the answer at every step.
template <class T>
Sequential<T> sequence_model(const Setting& s) {
  const auto hidden = static_cast<double>(s.hidden);
  std::vector<std::unique_ptr<Layer<T>>> layers;
  layers.push_back(std::make_unique<OneHot<T>>(Settings{{"vocabulary", 7}}));
  layers.push_back(std::make_unique<LSTM<T>>(Settings{{"in", 7}, {"hidden", hidden}}));
  layers.push_back(std::make_unique<GRU<T>>(
      Settings{{"in", hidden}, {"hidden", hidden}, {"reset_after", s.adam ? 1 : 0}}));
  layers.push_back(std::make_unique<Dense<T>>(Settings{{"in", hidden}, {"out", 10}}));
  return Sequential<T>(std::move(layers), Shape{s.in});
}

/// All layers that look at a memory, over pairs of s.in / 2 ids each, all 0.
template <class T>
Sequential<T> memory_model(const Setting& s) {
  using Layers = std::vector<std::unique_ptr<Layer<T>>>;
  const auto width = static_cast<double>(s.hidden);
  const Settings heads{{"width", width}, {"heads", 2}, {"kv_heads", 1}, {"causal", 0}, {"rotary", 0}};
  const auto embedding = [&] {
    return std::make_unique<Embedding<T>>(Settings{{"vocabulary", 7}, {"features", width}});
  };
  const auto beside = [](std::unique_ptr<Layer<T>> layer) {
    Layers inside;
    inside.push_back(std::move(layer));
    return std::make_unique<Concatenation<T>>(std::move(inside));
  };
  Layers encoder, layers, residual;
  encoder.push_back(embedding());
  encoder.push_back(std::make_unique<SelfAttention<T>>(heads));
  residual.push_back(std::make_unique<CrossAttention<T>>(heads));
  layers.push_back(std::make_unique<Encoder<T>>(std::move(encoder)));
  layers.push_back(embedding());
  layers.push_back(std::make_unique<Residual<T>>(std::move(residual)));
  layers.push_back(beside(std::make_unique<AdditiveAttention<T>>(
      Settings{{"query", width}, {"annotation", width}, {"hidden", 5}})));
  layers.push_back(beside(std::make_unique<GeneralAttention<T>>(
      Settings{{"query", 2 * width}, {"annotation", width}})));
  layers.push_back(beside(std::make_unique<Summary<T>>(
      Settings{{"annotation", width}, {"bidirectional", 1}})));
  layers.push_back(std::make_unique<Dense<T>>(Settings{{"in", 4 * width}, {"out", 10}}));
  return Sequential<T>(std::move(layers), Shape{2, s.in / 2});
}

template <class T>
Recipe<T> recipe(const Setting& s) {
  Recipe<T> recipe{};
  recipe.regularizer = {Regularizer<T>::Kind::L2, 1e-4};
  recipe.clipping = s.clipping;
  recipe.threads = s.threads;
  if (s.adam) {
    const Settings settings{{"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-8}};
    recipe.optimizer = std::make_unique<Descent<T, Adam<T>>>(settings);
  } else {
    recipe.optimizer = std::make_unique<Descent<T, SGD<T>>>(Settings{});
  }
  if (s.probabilities) {
    recipe.loss = std::make_unique<CrossEntropy<T>>();
  } else {
    recipe.loss = std::make_unique<SoftmaxCrossEntropy<T>>();
  }
  return recipe;
}

/// Many steps after a few to warm up, the last with a short batch, but for sequences, whose states are
/// carried on.
template <class T>
void check_training(const Setting& s, Sequential<T> trained) {
  constexpr Index examples = 7, warm_up = 3;
  const std::vector<T> inputs(static_cast<std::size_t>(examples * s.in), T(0.1));
  const Index steps_of_one = places(trained.output());
  std::vector<std::int64_t> labels(static_cast<std::size_t>(examples * steps_of_one));
  for (std::size_t n = 0; n < labels.size(); ++n) labels[n] = static_cast<std::int64_t>(3 * n % 10);
  const Index count = s.steps * s.batch - (steps_of_one > 1 ? 0 : s.batch / 2);
  std::vector<std::int64_t> order;
  for (Index n = 0; n < count; ++n) order.push_back(n % examples);
  const std::vector<double> rates(static_cast<std::size_t>(s.steps), 0.01);
  std::vector<double> losses(rates.size());
  Recipe<T> how = recipe<T>(s);
  how.carry_state = steps_of_one > 1;
  Program<T> program(std::move(trained), std::move(how));
  const auto train = [&](Index first_step, Index some) {
    const Index begun = program.train({inputs.data(), labels.data(), nullptr}, order.data(), count,
                                      s.batch, static_cast<std::uint64_t>(first_step),
                                      rates.data(), some, losses.data(), [] { return true; });
    CHECK_EQUAL(begun, some);
  };
  train(0, warm_up);
  CHECK_EQUAL(allocations_during([&] { train(warm_up, s.steps); }), 0);
}

template <class T>
void check_training(const Setting& s) {
  check_training<T>(s, model<T>(s));
}

template <class T>
void test_training() {
  using Kind = Clipping::Kind;
  check_training<T>({30, 17, 10, 1, false, false, {}});
  check_training<T>({30, 17, 10, 1, true, true, {Kind::value, 0.1}});
  check_training<T>({30, 17, 1, 2, true, false, {Kind::global_norm, 0.1}});
  // Large enough that two threads share the first layer's products.
  const Index large = Products<T>::kSharedWork / (300 * 70) + 1;
  check_training<T>({300, 70, large, 2, false, true, {Kind::global_norm, 0.1}, 20});
  for (const int threads : {1, 2}) {
    check_training<T>({144, 0, 512, threads, false, true, {}, 5}, image_model<T>());
    for (const bool adam : {false, true}) {
      const Setting small{6, 17, 3, threads, false, adam, {}}, large{6, 100, 40, threads, false, adam, {}, 5};
      for (const Setting& s : {small, large}) check_training<T>(s, sequence_model<T>(s));
    }
    const Setting pairs{18, 12, 3, threads, false, true, {}}, many{18, 80, 30, threads, false, true, {}, 5};
    for (const Setting& s : {pairs, many}) check_training<T>(s, memory_model<T>(s));
  }
}

}  // namespace

int main() { return check::run({test_the_count, test_training<float>, test_training<double>}); }

// The parts by the names of their Python classes. A new layer is entered here, and nowhere else.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "byhand/clipping.hpp"
#include "byhand/layers/additive_attention.hpp"
#include "byhand/layers/average_pool2d.hpp"
#include "byhand/layers/batch_norm.hpp"
#include "byhand/layers/bidirectional.hpp"
#include "byhand/layers/concatenation.hpp"
#include "byhand/layers/convolution2d.hpp"
#include "byhand/layers/cross_attention.hpp"
#include "byhand/layers/dense.hpp"
#include "byhand/layers/dot_attention.hpp"
#include "byhand/layers/dropout.hpp"
#include "byhand/layers/embedding.hpp"
#include "byhand/layers/encoder.hpp"
#include "byhand/layers/flatten.hpp"
#include "byhand/layers/gelu.hpp"
#include "byhand/layers/general_attention.hpp"
#include "byhand/layers/global_average_pool2d.hpp"
#include "byhand/layers/gru.hpp"
#include "byhand/layers/last_step.hpp"
#include "byhand/layers/layer_norm.hpp"
#include "byhand/layers/learned_positions.hpp"
#include "byhand/layers/lstm.hpp"
#include "byhand/layers/max_pool2d.hpp"
#include "byhand/layers/one_hot.hpp"
#include "byhand/layers/projection.hpp"
#include "byhand/layers/relu.hpp"
#include "byhand/layers/residual.hpp"
#include "byhand/layers/rms_norm.hpp"
#include "byhand/layers/rnn.hpp"
#include "byhand/layers/self_attention.hpp"
#include "byhand/layers/sequential.hpp"
#include "byhand/layers/sigmoid.hpp"
#include "byhand/layers/silu.hpp"
#include "byhand/layers/sinusoidal_positions.hpp"
#include "byhand/layers/softmax.hpp"
#include "byhand/layers/summary.hpp"
#include "byhand/layers/swiglu.hpp"
#include "byhand/layers/tanh.hpp"
#include "byhand/losses.hpp"
#include "byhand/optimizers.hpp"
#include "byhand/regularizers.hpp"

namespace byhand {

/// A kind of part: its name, and how one is made from its settings.
template <class Part>
struct Entry {
  std::string name;
  std::unique_ptr<Part> (*make)(const Settings&);
};

template <class Part, class Kind>
Entry<Part> entry(std::string name) {
  return {std::move(name), [](const Settings& settings) -> std::unique_ptr<Part> {
            if constexpr (std::is_constructible_v<Kind, const Settings&>) {
              return std::make_unique<Kind>(settings);
            } else {
              return std::make_unique<Kind>();
            }
          }};
}

template <class T>
const std::vector<Entry<Layer<T>>>& layers() {
  static const std::vector<Entry<Layer<T>>> all = {
      entry<Layer<T>, AdditiveAttention<T>>("AdditiveAttention"),
      entry<Layer<T>, AveragePool2D<T>>("AveragePool2D"),
      entry<Layer<T>, BatchNorm<T>>("BatchNorm"),
      entry<Layer<T>, Bidirectional<T>>("Bidirectional"),
      entry<Layer<T>, Convolution2D<T>>("Convolution2D"),
      entry<Layer<T>, CrossAttention<T>>("CrossAttention"),
      entry<Layer<T>, Dense<T>>("Dense"),
      entry<Layer<T>, DotAttention<T>>("DotAttention"),
      entry<Layer<T>, Dropout<T>>("Dropout"),
      entry<Layer<T>, Embedding<T>>("Embedding"),
      entry<Layer<T>, Flatten<T>>("Flatten"),
      entry<Layer<T>, GELU<T>>("GELU"),
      entry<Layer<T>, GRU<T>>("GRU"),
      entry<Layer<T>, GeneralAttention<T>>("GeneralAttention"),
      entry<Layer<T>, GlobalAveragePool2D<T>>("GlobalAveragePool2D"),
      entry<Layer<T>, LSTM<T>>("LSTM"),
      entry<Layer<T>, LastStep<T>>("LastStep"),
      entry<Layer<T>, LayerNorm<T>>("LayerNorm"),
      entry<Layer<T>, LearnedPositions<T>>("LearnedPositions"),
      entry<Layer<T>, MaxPool2D<T>>("MaxPool2D"),
      entry<Layer<T>, OneHot<T>>("OneHot"),
      entry<Layer<T>, Projection<T>>("Projection"),
      entry<Layer<T>, RMSNorm<T>>("RMSNorm"),
      entry<Layer<T>, RNN<T>>("RNN"),
      entry<Layer<T>, ReLU<T>>("ReLU"),
      entry<Layer<T>, SelfAttention<T>>("SelfAttention"),
      entry<Layer<T>, SiLU<T>>("SiLU"),
      entry<Layer<T>, Sigmoid<T>>("Sigmoid"),
      entry<Layer<T>, SinusoidalPositions<T>>("SinusoidalPositions"),
      entry<Layer<T>, Softmax<T>>("Softmax"),
      entry<Layer<T>, Summary<T>>("Summary"),
      entry<Layer<T>, SwiGLU<T>>("SwiGLU"),
      entry<Layer<T>, Tanh<T>>("Tanh"),
  };
  return all;
}

template <class T>
const std::vector<Entry<Loss<T>>>& losses() {
  static const std::vector<Entry<Loss<T>>> all = {
      entry<Loss<T>, QuadraticCost<T>>("QuadraticCost"),
      entry<Loss<T>, SoftmaxCrossEntropy<T>>("SoftmaxCrossEntropy"),
      entry<Loss<T>, CrossEntropy<T>>("CrossEntropy"),
      entry<Loss<T>, BinaryCrossEntropyWithLogits<T>>("BinaryCrossEntropyWithLogits"),
  };
  return all;
}

template <class T>
const std::vector<Entry<Optimizer<T>>>& optimizers() {
  static const std::vector<Entry<Optimizer<T>>> all = {
      entry<Optimizer<T>, Descent<T, SGD<T>>>("SGD"),
      entry<Optimizer<T>, Descent<T, Momentum<T>>>("Momentum"),
      entry<Optimizer<T>, Descent<T, Nesterov<T>>>("Nesterov"),
      entry<Optimizer<T>, Descent<T, RMSProp<T>>>("RMSProp"),
      entry<Optimizer<T>, Descent<T, Adam<T>>>("Adam"),
      entry<Optimizer<T>, Descent<T, AdamW<T>>>("AdamW"),
  };
  return all;
}

/// The part of this name, made from its settings.
template <class Part>
std::unique_ptr<Part> make(const std::vector<Entry<Part>>& entries, const std::string& name,
                           const Settings& settings = {}) {
  std::string names;
  for (const auto& each : entries) {
    if (each.name == name) return each.make(settings);
    names += (names.empty() ? "" : ", ") + each.name;
  }
  throw std::invalid_argument("no twin of " + name + " is written in C++; there is " + names);
}

/// The name of a layer, and its settings.
using Described = std::pair<std::string, Settings>;

/// Layers made of others. In a description those follow it, and its setting `inside` says how many
/// there are, theirs included.
inline constexpr const char* kBlocks[] = {"Concatenation", "Encoder", "Residual"};

template <class T>
std::unique_ptr<Layer<T>> make_block(const std::string& name, std::vector<std::unique_ptr<Layer<T>>> inside) {
  if (name == "Concatenation") return std::make_unique<Concatenation<T>>(std::move(inside));
  if (name == "Encoder") return std::make_unique<Encoder<T>>(std::move(inside));
  if (name == "Residual") return std::make_unique<Residual<T>>(std::move(inside));
  throw std::invalid_argument("no layer made of others is called " + name);
}

template <class T>
std::vector<std::unique_ptr<Layer<T>>> make_layers(const std::vector<Described>& described) {
  std::vector<std::unique_ptr<Layer<T>>> all;
  for (auto at = described.begin(); at != described.end(); ++at) {
    if (!at->second.contains("inside")) {
      all.push_back(make(layers<T>(), at->first, at->second));
      continue;
    }
    const auto block = at, first = at + 1;
    at += static_cast<std::ptrdiff_t>(setting(at->second, "inside"));
    all.push_back(make_block<T>(block->first, make_layers<T>({first, at + 1})));
  }
  return all;
}

}  // namespace byhand

// What every layer shares. The Python twin is src/byhand/layers/base.py.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "byhand/kernels/products.hpp"

namespace byhand {

/// The numbers that describe a layer: sizes such as in = 784, and settings such as rate = 0.5.
using Settings = std::map<std::string, double>;

/// A setting that has to be there.
inline double setting(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found == settings.end()) throw std::invalid_argument("the setting " + name + " is missing");
  return found->second;
}

/// The axes of one example, without the batch: {784}, or {channels, height, width}. It lies in one
/// row all the same, the last axis fastest.
using Shape = std::vector<Index>;

/// How many numbers an example of this shape has.
inline Index count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), Index(1), std::multiplies<>());
}

/// A parameter w with its gradient dw, as a matrix of rows.
template <class T>
struct Parameter {
  std::string symbol;
  bool weight;  // whether a regularizer may touch it
  Buffer<T> value;
  bool trained = true;             // false for a running average, which has no gradient
  Buffer<T> gradient{};            // only where somebody asked for it
  std::vector<Buffer<T>> state{};  // what the optimizer keeps
};

/// Takes finished blocks of gradients: keeps them, or takes the optimizer's step at once. A block
/// lies in w's gradient from row i and column j on, and comes with its padding. Blocks that do not
/// overlap may come from several threads at once.
template <class T>
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void receive(Parameter<T>& w, Index i, Index j, ConstView<T> dw) = 0;
};

/// What a pass has beside its arrays.
template <class T>
struct Pass {
  Products<T>& products;
  std::uint64_t seed = 0;          // of the dropout masks
  std::uint64_t step = 0;          // that they belong to
  bool training = false;           // whether dropout drops
  Receiver<T>* gradients = nullptr;  // who takes them in a backward pass
};

/// A function y = f(x; parameters) with its derivative written out by hand. x, y, dx and dy have
/// a row for each example; dy is dL/dy.
///
/// forward fills y. backward fills dx, unless it is empty because nobody asks for it, and hands the
/// gradient of each parameter to pass.gradients. Beside its parameters a layer keeps what one pass
/// leaves for the next, as Python's cache does.
template <class T>
class Layer {
 public:
  virtual ~Layer() = default;

  /// The shape of y for an x of this shape, both of one example.
  virtual Shape output_shape(const Shape& x) const { return x; }

  /// Whether y may lie where x lies, and dx where dy lies: true for elementwise functions.
  virtual bool in_place() const { return false; }

  /// Whether backward reads x or y.
  virtual bool reads_x() const { return false; }
  virtual bool reads_y() const { return false; }

  /// Room for passes of up to this many examples of this shape, by so many threads; called before
  /// the first of them.
  virtual void reserve(Index /*batch*/, const Shape& /*x*/, int /*threads*/) {}

  virtual void forward(ConstView<T> x, View<T> y, Pass<T>& pass) = 0;
  virtual void backward(ConstView<T> x, ConstView<T> y, ConstView<T> dy, View<T> dx,
                        Pass<T>& pass) = 0;

  /// Takes the batch of the last pass, which was a training step's, into the running averages.
  virtual void update_statistics() {}

  std::vector<Parameter<T>> parameters;
};

}  // namespace byhand

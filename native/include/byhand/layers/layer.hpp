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

/// The axes of one example, without the batch: {784}, {channels, height, width}, or {time, features}.
using Shape = std::vector<Index>;

/// How many numbers an example of this shape has.
inline Index count(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), Index(1), std::multiplies<>());
}

/// How many rows it lies in: one, the last axis fastest, or one for each step of a sequence. The rows
/// of all examples at the first step come first, in the order of the examples, then those at the
/// second: what is done to one step of a batch is done to neighbours.
inline Index places(const Shape& shape) { return shape.size() == 2 ? shape[0] : 1; }

/// How many numbers such a row has.
inline Index columns(const Shape& shape) { return count(shape) / places(shape); }

/// A parameter w with its gradient dw, as a matrix of rows.
///
/// That of a recurrent layer has its columns in gates of so many units each, and lies in blocks: all
/// rows of the first few units, as many as a vector holds, gate beside gate, then those of the next
/// units. A block is what the units' next state is made of, without a gap, and the last one is filled
/// up with units that are 0 and stay so.
template <class T>
struct Parameter {
  std::string symbol;
  bool weight;  // whether a regularizer may touch it
  Buffer<T> value;
  bool trained = true;             // false for a running average, which has no gradient
  Buffer<T> gradient{};            // only where somebody asked for it
  std::vector<Buffer<T>> state{};  // what the optimizer keeps
  Index gates = 0, units = 0;      // where it lies in blocks

  Index rows() const { return gates == 0 ? value.rows() : value.rows() / blocks(); }
  Index columns() const { return gates == 0 ? value.columns() : gates * units; }

  /// body(at, to, count) for all runs of numbers that are neighbours both in a matrix without gaps,
  /// from `at` on, and in `value`, from `to` on.
  template <class Body>
  void each_run(Body&& body) const {
    for (Index r = 0; r < rows(); ++r) {
      if (gates == 0) body(r * columns(), r * value.stride(), columns());
      for (Index k = 0; k < gates * blocks(); ++k) {
        const Index gate = k / blocks(), block = k % blocks(), first = block * width<T>;
        body(r * columns() + gate * units + first,
             (block * rows() + r) * value.stride() + gate * width<T>,
             std::min(width<T>, units - first));
      }
    }
  }

 private:
  Index blocks() const { return (units + width<T> - 1) / width<T>; }
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

/// What an encoder says: a row for each step of the source, in the order of a sequence's.
template <class T>
struct Memory {
  ConstView<T> m;
  View<T> dm;        // what the layers that look at it add their gradients to
  const bool* real;  // which rows are no padding; null where all are
  Index source;      // steps
};

/// What a pass has beside its arrays.
template <class T>
struct Pass {
  Products<T>& products;
  std::uint64_t seed = 0;          // of the dropout masks
  std::uint64_t step = 0;          // that they belong to
  bool training = false;           // whether dropout drops
  Receiver<T>* gradients = nullptr;  // who takes them in a backward pass
  const bool* real = nullptr;      // which rows of sequences are no padding; null where all are real
  const Index* ones = nullptr;     // where x is one-hot rows, the column of each 1, or -1 for none
  const Memory<T>* memory = nullptr;  // what an encoder has said, where there is one
};

/// A function y = f(x; parameters) with its derivative written out by hand. x, y, dx and dy have
/// a row for each place of each example; dy is dL/dy.
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

  /// Whether x is ids, in one row for each example.
  virtual bool takes_ids() const { return false; }

  /// Whether x is ids in two rows for each example, those of a source and of a target.
  virtual bool takes_pairs() const { return false; }

  /// Where y is one-hot rows, the column of each 1, or -1 for none.
  virtual const Index* ones() const { return nullptr; }

  /// How many numbers of an example the layer remembers from one pass to the next; `start` says what
  /// the next pass starts from, null for zeros, and `finish` how the last one has ended. The states
  /// of a batch are as Python has them, without gaps.
  virtual Index state_size() const { return 0; }
  virtual void start(const T* /*state*/, Index /*batch*/) {}
  virtual void finish(T* /*state*/, Index /*batch*/) const {}

  /// Where the state is a row for each step so far, and so has no size of its own: `rows` has those of
  /// `past` steps of each example, and room for as many as `room`. The next pass reads them and writes
  /// its own behind them; null for none.
  virtual void go_on(T* /*rows*/, Index /*past*/, Index /*room*/) {}

  /// The layers that have a state; a layer made of layers has those of its layers.
  virtual std::vector<Layer*> all_over_steps() {
    return state_size() > 0 ? std::vector<Layer*>{this} : std::vector<Layer*>{};
  }

  /// Takes the batch of the last pass, which was a training step's, into the running averages.
  virtual void update_statistics() {}

  /// All of them, in the order of Python's; a layer made of layers has those of its layers.
  virtual std::vector<Parameter<T>*> all_parameters() {
    std::vector<Parameter<T>*> all;
    for (auto& parameter : parameters) all.push_back(&parameter);
    return all;
  }

  std::vector<Parameter<T>> parameters;
};

/// dW = x^T dz, handed on block by block.
template <class T>
void receive_product(ConstView<T> x, ConstView<T> dz, Parameter<T>& W, Pass<T>& pass) {
  pass.products.transposed_times(x, dz, constant(W.value.all()), [&](Index i, Index j, ConstView<T> dW) {
    pass.gradients->receive(W, i, j, dW);
  });
}

/// a with zeros for padding: what it holds there has no effect, be it no number.
template <class T>
void clear_padding(View<T> a, const bool* real) {
  for (Index r = 0; real != nullptr && r < a.rows(); ++r) {
    if (!real[r]) a.row(r).setZero();
  }
}

/// The same in a copy, which grows as needed; a itself where all is real.
template <class T>
ConstView<T> without_padding(ConstView<T> a, Buffer<T>& copy, const bool* real) {
  if (real == nullptr) return a;
  make_room(copy, a.rows(), a.cols());
  copy.top(a.rows()) = a;
  clear_padding(copy.top(a.rows()), real);
  return constant(copy.top(a.rows()));
}

}  // namespace byhand

// Layers one after the other: the chain rule as a loop. The Python twin is
// src/byhand/layers/sequential.py.
#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = f_L(... f_2(f_1(x))): the output of each layer is the input of the next.
///
///   Derivatives  the chain rule, from the last layer to the first: each layer is given dL/d(its
///                output) and hands back dL/d(its input).
///
/// All arrays of a pass are made once, by reserve. An elementwise layer writes over its input
/// where no layer needs that input again.
template <class T>
class Sequential {
 public:
  Sequential(std::vector<std::unique_ptr<Layer<T>>> layers, Shape example)
      : layers_(std::move(layers)) {
    reshape(std::move(example));
    while (first_ < layers_.size() && layers_[first_]->all_parameters().empty()) ++first_;
  }

  /// Layers inside of a layer, whose input has a gradient. It is told of its shape later.
  explicit Sequential(std::vector<std::unique_ptr<Layer<T>>> layers) : layers_(std::move(layers)) {
    if (layers_.empty()) throw std::invalid_argument("there is no layer");
  }

  /// The shape of the output of an example of this shape.
  Shape output_of(Shape x) const {
    for (const auto& layer : layers_) x = layer->output_shape(x);
    return x;
  }

  /// From now on the examples have this shape.
  void reshape(Shape example) {
    std::vector<Shape> shapes{std::move(example)};
    for (const auto& layer : layers_) shapes.push_back(layer->output_shape(shapes.back()));
    shapes_ = std::move(shapes);
    room_ = 0;
  }

  /// The shapes of an example and of its output, and of that of each layer.
  const Shape& input() const { return shapes_.front(); }
  const Shape& output() const { return shapes_.back(); }
  const Shape& output(std::size_t layer) const { return shapes_[layer + 1]; }

  /// The most numbers that an example has in some layer.
  Index widest() const {
    Index most = 0;
    for (const auto& shape : shapes_) most = std::max(most, count(shape));
    return most;
  }
  std::size_t size() const { return layers_.size(); }

  /// Whether the inputs are ids.
  bool reads_ids() const { return layers_[0]->takes_ids() || layers_[0]->takes_pairs(); }
  Layer<T>& layer(std::size_t k) { return *layers_[k]; }
  const Layer<T>& layer(std::size_t k) const { return *layers_[k]; }

  /// All parameters, in the order of the layers.
  std::vector<Parameter<T>*> parameters() {
    std::vector<Parameter<T>*> all;
    for (auto& layer : layers_) {
      for (auto* parameter : layer->all_parameters()) all.push_back(parameter);
    }
    return all;
  }

  /// All layers that have a state, in the same order.
  std::vector<Layer<T>*> all_over_steps() {
    std::vector<Layer<T>*> all;
    for (auto& layer : layers_) {
      for (auto* one : layer->all_over_steps()) all.push_back(one);
    }
    return all;
  }

  /// Makes room for passes of up to `batch` examples, by so many threads. Arrays that are large enough
  /// stay, for batches of sequences may be of another length each.
  void reserve(Index batch, int threads = 1) {
    if (batch <= room_) return;
    const std::vector<Shared> y = std::move(y_), dy = std::move(dy_);
    y_.assign(1, make(y, 0, batch));
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      layers_[k]->reserve(batch, shapes_[k], threads);
      const bool needed = layers_[k]->reads_x() || (k > 0 && layers_[k - 1]->reads_y());
      y_.push_back(in_place(k, needed) ? y_[k] : make(y, k + 1, batch));
    }
    dy_.assign(layers_.size() + 1, make(dy, layers_.size(), batch));
    for (std::size_t k = layers_.size(); k-- > first_ + 1;) {
      dy_[k] = in_place(k, false) ? dy_[k + 1] : make(dy, k, batch);
    }
    if (layers_[0]->takes_ids()) {
      real_ = std::make_unique<bool[]>(static_cast<std::size_t>(batch * count(shapes_[0])));
    }
    room_ = batch;
  }

  /// Where the examples of the next pass go, and where their results and dL/dy are.
  View<T> x(Index batch) { return top(y_, 0, batch); }
  View<T> y(Index batch) { return top(y_, layers_.size(), batch); }
  View<T> dy(Index batch) { return top(dy_, layers_.size(), batch); }

  /// From x to y. `after(k, y)` sees the output of each layer, which the next one may overwrite.
  template <class After>
  void forward(Index batch, Pass<T>& pass, After&& after) {
    pass.real = layers_[0]->takes_ids() ? real_steps(constant(x(batch))) : nullptr;
    pass.memory = nullptr;
    through(constant(x(batch)), batch, pass, after);
  }

  void forward(Index batch, Pass<T>& pass) {
    forward(batch, pass, [](std::size_t, ConstView<T>) {});
  }

  /// From an x that lies somewhere else to y.
  void forward_from(ConstView<T> x, Index batch, Pass<T>& pass) {
    through(x, batch, pass, [](std::size_t, ConstView<T>) {});
  }

  /// From dy back to the first layer that has parameters.
  void backward(Index batch, Pass<T>& pass) {
    clear_padding(dy(batch));
    back(constant(x(batch)), constant(dy(batch)), nothing<T>(), batch, pass);
  }

  /// From a dy that lies somewhere else back to the dx of such an x.
  void backward_from(ConstView<T> x, ConstView<T> dy, View<T> dx, Index batch, Pass<T>& pass) {
    back(x, dy, dx, batch, pass);
  }

  /// Which steps of ids are no padding, in the order of rows; null where all are.
  const bool* real_steps(ConstView<T> ids) {
    bool all = true;
    for (Index n = 0; n < ids.rows(); ++n) {
      for (Index t = 0; t < ids.cols(); ++t) all &= real_[t * ids.rows() + n] = ids(n, t) >= 0;
    }
    return all ? nullptr : real_.get();
  }

  /// Takes the batch of the last pass into all running averages.
  void update_statistics() {
    for (auto& layer : layers_) layer->update_statistics();
  }

 private:
  using Shared = std::shared_ptr<Buffer<T>>;

  template <class After>
  void through(ConstView<T> x, Index batch, Pass<T>& pass, After&& after) {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      pass.ones = ones_before(k);
      layers_[k]->forward(k > 0 ? constant(top(y_, k, batch)) : x, top(y_, k + 1, batch), pass);
      after(k, constant(top(y_, k + 1, batch)));
    }
  }

  void back(ConstView<T> x, ConstView<T> dy, View<T> dx, Index batch, Pass<T>& pass) {
    for (std::size_t k = layers_.size(); k-- > first_;) {
      pass.ones = ones_before(k);
      layers_[k]->backward(k > 0 ? constant(top(y_, k, batch)) : x, constant(top(y_, k + 1, batch)),
                           k + 1 < layers_.size() ? constant(top(dy_, k + 1, batch)) : dy,
                           k == 0 ? dx : k > first_ ? top(dy_, k, batch) : nothing<T>(), pass);
    }
  }

  /// Whether layer k writes over what it reads: if it can and that is not needed again.
  bool in_place(std::size_t k, bool needed) const { return layers_[k]->in_place() && !needed; }

  /// An array between two layers, the one that was there before if it is large enough.
  Shared make(const std::vector<Shared>& before, std::size_t k, Index batch) const {
    const Index rows = batch * places(shapes_[k]), numbers = columns(shapes_[k]);
    const bool enough = k < before.size() && before[k]->rows() >= rows && before[k]->columns() == numbers;
    return enough ? before[k] : std::make_shared<Buffer<T>>(rows, numbers);
  }

  View<T> top(const std::vector<Shared>& arrays, std::size_t k, Index batch) const {
    return arrays[k]->top(batch * places(shapes_[k]));
  }

  const Index* ones_before(std::size_t k) const { return k > 0 ? layers_[k - 1]->ones() : nullptr; }

  /// The loss fills the true columns only; products of dy run over whole vectors.
  static void clear_padding(View<T> dy) {
    for (Index n = 0; n < dy.rows(); ++n) {
      std::fill(dy.data() + n * dy.outerStride() + dy.cols(), dy.data() + (n + 1) * dy.outerStride(),
                T(0));
    }
  }

  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::vector<Shape> shapes_;  // of an example, before each layer and after the last
  std::size_t first_ = 0;      // the first layer with parameters
  Index room_ = 0;
  std::vector<Shared> y_, dy_;  // y_[k] is the input of layer k, y_[k + 1] its output
  std::unique_ptr<bool[]> real_;
};

}  // namespace byhand

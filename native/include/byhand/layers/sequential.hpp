// Layers one after the other: the chain rule as a loop. The Python twin is
// src/byhand/layers/sequential.py.
#pragma once

#include <algorithm>
#include <memory>
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
      : layers_(std::move(layers)), shapes_{std::move(example)} {
    for (const auto& layer : layers_) shapes_.push_back(layer->output_shape(shapes_.back()));
    for (const auto& shape : shapes_) sizes_.push_back(count(shape));
    while (first_ < layers_.size() && layers_[first_]->parameters.empty()) ++first_;
  }

  Index inputs() const { return sizes_.front(); }
  Index outputs() const { return sizes_.back(); }
  Index outputs(std::size_t layer) const { return sizes_[layer + 1]; }
  Index widest() const { return *std::max_element(sizes_.begin(), sizes_.end()); }
  std::size_t size() const { return layers_.size(); }
  Layer<T>& layer(std::size_t k) { return *layers_[k]; }

  /// All parameters, in the order of the layers.
  std::vector<Parameter<T>*> parameters() {
    std::vector<Parameter<T>*> all;
    for (auto& layer : layers_) {
      for (auto& parameter : layer->parameters) all.push_back(&parameter);
    }
    return all;
  }

  /// Makes room for passes of up to `batch` examples, by so many threads.
  void reserve(Index batch, int threads = 1) {
    if (batch <= room_) return;
    y_.assign(1, std::make_shared<Buffer<T>>(batch, inputs()));
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      layers_[k]->reserve(batch, shapes_[k], threads);
      const bool needed = layers_[k]->reads_x() || (k > 0 && layers_[k - 1]->reads_y());
      y_.push_back(over(k, needed, y_[k], batch, sizes_[k + 1]));
    }
    dy_.assign(layers_.size() + 1, std::make_shared<Buffer<T>>(batch, outputs()));
    for (std::size_t k = layers_.size(); k-- > first_ + 1;) {
      dy_[k] = over(k, false, dy_[k + 1], batch, sizes_[k]);
    }
    room_ = batch;
  }

  /// Where the examples of the next pass go, and where their results and dL/dy are.
  View<T> x(Index batch) { return y_.front()->top(batch); }
  View<T> y(Index batch) { return y_.back()->top(batch); }
  View<T> dy(Index batch) { return dy_.back()->top(batch); }

  /// From x to y. `after(k, y)` sees the output of each layer, which the next one may overwrite.
  template <class After>
  void forward(Index batch, Pass<T>& pass, After&& after) {
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      layers_[k]->forward(constant(y_[k]->top(batch)), y_[k + 1]->top(batch), pass);
      after(k, constant(y_[k + 1]->top(batch)));
    }
  }

  void forward(Index batch, Pass<T>& pass) {
    forward(batch, pass, [](std::size_t, ConstView<T>) {});
  }

  /// From dy back to the first layer that has parameters.
  void backward(Index batch, Pass<T>& pass) {
    clear_padding(dy(batch));
    for (std::size_t k = layers_.size(); k-- > first_;) {
      const View<T> dx = k > first_ ? dy_[k]->top(batch) : nothing<T>();
      layers_[k]->backward(constant(y_[k]->top(batch)), constant(y_[k + 1]->top(batch)),
                           constant(dy_[k + 1]->top(batch)), dx, pass);
    }
  }

  /// Takes the batch of the last pass into all running averages.
  void update_statistics() {
    for (auto& layer : layers_) layer->update_statistics();
  }

 private:
  using Shared = std::shared_ptr<Buffer<T>>;

  /// Where layer k writes: over what it reads, if it can and that is not needed again.
  Shared over(std::size_t k, bool needed, const Shared& read, Index batch, Index columns) {
    if (layers_[k]->in_place() && !needed) return read;
    return std::make_shared<Buffer<T>>(batch, columns);
  }

  /// The loss fills the true columns only; products of dy run over whole vectors.
  static void clear_padding(View<T> dy) {
    for (Index n = 0; n < dy.rows(); ++n) {
      std::fill(dy.data() + n * dy.outerStride() + dy.cols(), dy.data() + (n + 1) * dy.outerStride(),
                T(0));
    }
  }

  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::vector<Shape> shapes_;  // of an example, before each layer and after the last
  std::vector<Index> sizes_;   // and how many numbers it has there
  std::size_t first_ = 0;     // the first layer with parameters
  Index room_ = 0;
  std::vector<Shared> y_, dy_;  // y_[k] is the input of layer k, y_[k + 1] its output
};

}  // namespace byhand

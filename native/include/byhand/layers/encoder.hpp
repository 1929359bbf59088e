// The first half of an encoder-decoder model: a sequence becomes a memory. The Python twin is
// src/byhand/layers/encoder.py.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "byhand/layers/sequential.hpp"

namespace byhand {

/// m = f(source), y = target: the first of two rows of ids becomes the memory of the layers after this
/// one, the second goes on to them.
///
///   Shapes      x[batch, 2, time]   m[batch, time, annotation]   y[batch, time]
///   Derivative  dm is the sum of what all layers that look at m say, and goes back through f
///
/// The state is m and a 1 for each step that is real, a row for each step. From a state on, the source
/// is not read again.
template <class T>
class Encoder final : public Layer<T> {
 public:
  explicit Encoder(std::vector<std::unique_ptr<Layer<T>>> layers)
      : f_(std::move(layers)), inside_(f_.all_over_steps()) {
    if (!f_.reads_ids()) throw std::invalid_argument("Encoder: its first layer takes no ids");
  }

  Shape output_shape(const Shape& x) const override {
    if (x.size() != 2 || x[0] != 2 || f_.output_of({x[1]}).size() != 2) {
      throw std::invalid_argument("Encoder: an example is not two rows of ids");
    }
    return {x[1]};
  }
  bool takes_pairs() const override { return true; }
  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& x, int threads) override {
    time_ = x[1];
    f_.reshape({time_});
    f_.reserve(batch, threads);
    real_ = std::make_unique<bool[]>(static_cast<std::size_t>(batch * time_));
  }

  void go_on(T* rows, Index past, Index room) override {
    state_ = rows;
    past_ = rows == nullptr ? 0 : past;
    room_ = room;
  }

  void forward(ConstView<T> x, View<T> y, Pass<T>& pass) override {
    const Index batch = x.rows() / 2;
    if (past_ > 0) {
      take_in(batch);
    } else {
      pass.real = real_source_ = f_.real_steps(source(x));
      for (auto* layer : inside_) layer->start(nullptr, batch);
      f_.forward_from(source(x), batch, pass);
      f_.dy(batch).setZero();
      memory_.emplace(Memory<T>{constant(f_.y(batch)), f_.dy(batch), real_source_, time_});
      if (state_ != nullptr) keep(batch);
    }
    y = x.bottomRows(batch);
    pass.memory = &*memory_;
    bool all = true;
    for (Index n = 0; n < batch; ++n) {
      for (Index t = 0; t < time_; ++t) all &= real_[t * batch + n] = y(n, t) >= 0;
    }
    pass.real = all ? nullptr : real_.get();
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T>, View<T>, Pass<T>& pass) override {
    pass.real = real_source_;
    f_.backward_from(source(x), constant(memory_->dm), nothing<T>(), x.rows() / 2, pass);
  }

  void update_statistics() override { f_.update_statistics(); }

  std::vector<Parameter<T>*> all_parameters() override { return f_.parameters(); }
  std::vector<Layer<T>*> all_over_steps() override { return {this}; }

 private:
  static ConstView<T> source(ConstView<T> x) {
    return ConstView<T>(x.data(), x.rows() / 2, x.cols(), Eigen::OuterStride<>(x.outerStride()));
  }

  Index width() const { return columns(f_.output()); }

  T* state_row(Index n, Index t) const { return state_ + (n * room_ + t) * (width() + 1); }

  /// The memory as a state.
  void keep(Index batch) const {
    for (Index n = 0; n < batch; ++n) {
      for (Index t = 0; t < time_; ++t) {
        const Index r = t * batch + n;
        std::copy_n(row(memory_->m, r), width(), state_row(n, t));
        state_row(n, t)[width()] = real_source_ == nullptr || real_source_[r] ? T(1) : T(0);
      }
    }
  }

  /// A state as the memory.
  void take_in(Index batch) {
    const Index rows = batch * past_;
    make_room(given_, rows, width());
    if (rows > real_room_) {
      real_room_ = rows;
      real_given_ = std::make_unique<bool[]>(static_cast<std::size_t>(rows));
    }
    for (Index n = 0; n < batch; ++n) {
      for (Index t = 0; t < past_; ++t) {
        const Index r = t * batch + n;
        std::copy_n(state_row(n, t), width(), row(given_.all(), r));
        real_given_[r] = state_row(n, t)[width()] != T(0);
      }
    }
    memory_.emplace(Memory<T>{constant(given_.top(rows)), nothing<T>(), real_given_.get(), past_});
  }

  Sequential<T> f_;
  std::vector<Layer<T>*> inside_;  // those that have a state
  Index time_ = 1;
  std::optional<Memory<T>> memory_;
  const bool* real_source_ = nullptr;
  std::unique_ptr<bool[]> real_;  // of the target
  T* state_ = nullptr;
  Index past_ = 0, room_ = 0;
  Buffer<T> given_;
  std::unique_ptr<bool[]> real_given_;
  Index real_room_ = 0;
};

}  // namespace byhand

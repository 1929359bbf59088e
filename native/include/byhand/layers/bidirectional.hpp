// Two recurrent layers, one for each direction. The Python twin is
// src/byhand/layers/bidirectional.py, with the derivation.
#pragma once

#include <memory>

#include "byhand/layers/gru.hpp"
#include "byhand/layers/lstm.hpp"
#include "byhand/layers/rnn.hpp"

namespace byhand {

/// h = (forward(x), R reverse(R x)), side by side, where R turns the real steps of each sequence round
/// and leaves padding where it is.
///
///   Derivative  dx = forward's dx + R reverse's dx, the latter for R dh
template <class T>
class Bidirectional final : public Layer<T> {
 public:
  /// The settings of the two have their direction in front, and so has their kind: forward_LSTM.
  explicit Bidirectional(const Settings& settings)
      : forward_(one(settings, "forward_")), reverse_(one(settings, "reverse_")) {}

  std::vector<Parameter<T>*> all_parameters() override {
    auto all = forward_->all_parameters();
    for (auto* parameter : reverse_->all_parameters()) all.push_back(parameter);
    return all;
  }

  Shape output_shape(const Shape& x) const override {
    return {x[0], forward_->output_shape(x)[1] + reverse_->output_shape(x)[1]};
  }
  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& x, int threads) override {
    time_ = x[0];
    split_ = forward_->output_shape(x)[1];
    forward_->reserve(batch, x, threads);
    reverse_->reserve(batch, x, threads);
    order_.resize(static_cast<std::size_t>(batch * time_));
    x_ = Buffer<T>(batch * time_, x[1]);
    dx_ = Buffer<T>(batch * time_, x[1]);
    h_ = Buffer<T>(batch * time_, reverse_->output_shape(x)[1]);
  }

  void forward(ConstView<T> x, View<T> h, Pass<T>& pass) override {
    const Index rows = x.rows();
    turn(rows / time_, pass.real);
    forward_->start(nullptr, rows / time_);
    forward_->forward(x, View<T>(h.data(), rows, split_, Eigen::OuterStride<>(h.outerStride())), pass);
    each_turned(rows, [&](Index r, Index other) { x_.all().row(r) = x.row(other); });
    reverse_->start(nullptr, rows / time_);
    with_rows(pass, [&] { reverse_->forward(constant(x_.top(rows)), h_.top(rows), pass); });
    each_turned(rows, [&](Index r, Index other) { h.row(r).tail(h_.columns()) = h_.all().row(other); });
  }

  void backward(ConstView<T> x, ConstView<T> h, ConstView<T> dh, View<T> dx, Pass<T>& pass) override {
    const Index rows = x.rows();
    forward_->backward(x, h, ConstView<T>(dh.data(), rows, split_, Eigen::OuterStride<>(dh.outerStride())),
                       dx, pass);
    each_turned(rows, [&](Index r, Index other) { h_.all().row(r) = dh.row(other).tail(h_.columns()); });
    const View<T> turned = dx.size() > 0 ? dx_.top(rows) : nothing<T>();
    with_rows(pass, [&] {
      reverse_->backward(constant(x_.top(rows)), h, constant(h_.top(rows)), turned, pass);
    });
    if (dx.size() == 0) return;
    each_turned(rows, [&](Index r, Index other) { dx.row(r) += dx_.all().row(other); });
  }

 private:
  static std::unique_ptr<Layer<T>> one(const Settings& settings, const std::string& direction) {
    Settings own;
    for (const auto& [name, value] : settings) {
      if (name.starts_with(direction)) own[name.substr(direction.size())] = value;
    }
    if (own.contains("RNN")) return std::make_unique<RNN<T>>(own);
    if (own.contains("GRU")) return std::make_unique<GRU<T>>(own);
    if (own.contains("LSTM")) return std::make_unique<LSTM<T>>(own);
    throw std::invalid_argument("Bidirectional: " + direction + " is no RNN, GRU or LSTM");
  }

  /// For each row the one that stands there once the real steps are turned.
  void turn(Index batch, const bool* real) {
    for (Index n = 0; n < batch; ++n) {
      const auto is_real = [&](Index t) { return real == nullptr || real[t * batch + n]; };
      for (Index t = 0, last = time_; t < time_; ++t) {
        Index other = t;
        if (is_real(t)) {
          do --last; while (!is_real(last));
          other = last;
        }
        order_[static_cast<std::size_t>(t * batch + n)] = other * batch + n;
      }
    }
  }

  template <class Body>
  void each_turned(Index rows, Body&& body) const {
    for (Index r = 0; r < rows; ++r) body(r, order_[static_cast<std::size_t>(r)]);
  }

  /// For what is done with rows that are turned: those of one 1 are not at their places.
  template <class Body>
  static void with_rows(Pass<T>& pass, Body&& body) {
    const Index* ones = std::exchange(pass.ones, nullptr);
    body();
    pass.ones = ones;
  }

  std::unique_ptr<Layer<T>> forward_, reverse_;
  Index time_ = 1, split_ = 0;
  std::vector<Index> order_;
  Buffer<T> x_, dx_, h_;  // turned; h_ holds dh on the way back
};

}  // namespace byhand

// A model, a loss and an optimizer made into something that runs. The Python twins are
// src/byhand/engines/program.py and numpy.py.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "byhand/clipping.hpp"
#include "byhand/layers/sequential.hpp"
#include "byhand/losses.hpp"
#include "byhand/optimizers.hpp"
#include "byhand/regularizers.hpp"

namespace byhand {

/// Examples in rows, one after the other without gaps. Targets are class labels, from 0 to the
/// number of outputs - 1 (0 and 1 for a single output), or else as many values as outputs.
template <class T>
struct Examples {
  const T* inputs;
  const std::int64_t* labels;  // or null
  const T* values;             // or null
};

/// The mean loss, and how many answers are right (0 where the targets are values).
struct Evaluation {
  double loss;
  std::int64_t right;
};

/// Asks go_on() whether to go on, at most every hundredth of a second and not after a no.
template <class GoOn>
class NowAndThen {
 public:
  explicit NowAndThen(GoOn& go_on) : go_on_(go_on), asked_(Clock::now()) {}

  bool operator()() {
    if (const auto now = Clock::now(); yes_ && now - asked_ > std::chrono::milliseconds(10)) {
      yes_ = go_on_();
      asked_ = now;
    }
    return yes_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  GoOn& go_on_;
  Clock::time_point asked_;
  bool yes_ = true;
};

/// Everything about training beside the model.
template <class T>
struct Recipe {
  std::unique_ptr<Loss<T>> loss;
  std::unique_ptr<Optimizer<T>> optimizer;
  Regularizer<T> regularizer{};
  Clipping clipping{};
  std::uint64_t seed = 0;  // of the dropout masks
  int threads = 1;
};

template <class T>
class Program {
 public:
  /// Examples that go through the model at once where the caller does not say how many: fewer, where
  /// one has more than so many numbers in some layer, to save memory and to be heard in between.
  static constexpr Index kRows = 256;
  static constexpr Index kNumbers = 1 << 20;

  Program(Sequential<T> model, Recipe<T> recipe)
      : model_(std::move(model)),
        recipe_(std::move(recipe)),
        parameters_(model_.parameters()),
        trained_(trained(parameters_)),
        products_(recipe_.threads, longest(parameters_)),
        pass_{products_, recipe_.seed} {
    if (recipe_.clipping.kind != Clipping::Kind::global_norm) {
      recipe_.optimizer->regularizer = recipe_.regularizer;
    }
    if (recipe_.clipping.kind == Clipping::Kind::value) {
      recipe_.optimizer->limit = static_cast<T>(recipe_.clipping.limit);
    }
    for (auto* w : trained_) {
      for (int k = 0; k < recipe_.optimizer->states(); ++k) {
        w->state.emplace_back(w->value.rows(), w->value.columns());
      }
    }
    reserve(1);
  }

  Sequential<T>& model() { return model_; }
  Products<T>& products() { return products_; }
  const std::vector<Parameter<T>*>& parameters() { return parameters_; }

  /// One step for each learning rate, over consecutive batches of `order`; the last may be short.
  /// Fills in the loss of each step and returns how many were begun: a loss that is not finite is
  /// the last one, and the parameters stay as they were before that step. Between steps it asks
  /// go_on(), now and then.
  template <class GoOn>
  Index train(const Examples<T>& data, const std::int64_t* order, Index count, Index batch,
              std::uint64_t first_step, const double* rates, Index steps, double* losses,
              GoOn&& go_on) {
    reserve(std::min(batch, count));
    NowAndThen going(go_on);
    for (Index k = 0; k < steps; ++k) {
      const Index begin = k * batch, rows = std::min(batch, count - begin);
      gather(data, [&](Index n) { return order[begin + n]; }, rows);
      losses[k] = forward(rows, true, first_step + static_cast<std::uint64_t>(k));
      if (!std::isfinite(losses[k])) return k + 1;
      recipe_.optimizer->begin(rates[k], first_step + static_cast<std::uint64_t>(k) + 1);
      step(rows);
      model_.update_statistics();
      if (!going()) return k + 1;
    }
    return steps;
  }

  /// The loss plus the regularizer; the gradients, before clipping, go to each parameter's
  /// `gradient`. With `training` the dropout masks are those of `step`.
  double gradients(const Examples<T>& data, Index count, bool training, std::uint64_t step) {
    reserve(count);
    gather(data, [](Index n) { return n; }, count);
    const double loss = forward(count, training, step);
    backward_and_keep(count);
    double penalty = 0;
    for (auto* w : parameters_) {
      if (w->weight) penalty += recipe_.regularizer.penalty(constant(w->value.all()));
    }
    return loss + penalty;
  }

  /// The mean loss without the regularizer, and the number of right answers. It asks go_on(), now
  /// and then; after a no the result means nothing.
  template <class GoOn>
  Evaluation evaluate(const Examples<T>& data, Index count, GoOn&& go_on) {
    double loss = 0;
    std::int64_t right = 0;
    NowAndThen going(go_on);
    in_parts(count, [&](Index first, Index rows) {
      if (!going()) return;
      gather(data, [&](Index n) { return first + n; }, rows);
      loss += forward(rows, false, 0) * static_cast<double>(rows);
      if (data.labels) right += count_right(rows, data.labels + first);
    });
    return {loss / static_cast<double>(count), right};
  }

  /// Probabilities, or values for the quadratic cost, in rows without gaps.
  void predict(const T* inputs, Index count, T* out) {
    in_parts(count, [&](Index first, Index rows) {
      copy_inputs(inputs, [&](Index n) { return first + n; }, rows);
      pass_.training = false;
      model_.forward(rows, pass_);
      View<T> y = model_.y(rows);
      recipe_.loss->probabilities(y);
      for (Index n = 0; n < rows; ++n) {
        std::copy_n(y.data() + n * y.outerStride(), y.cols(), out + (first + n) * y.cols());
      }
    });
  }

  /// The output of each layer k in evaluation, part by part: take(k, first example, rows).
  template <class Take>
  void activations(const T* inputs, Index count, Take&& take) {
    in_parts(count, [&](Index first, Index rows) {
      copy_inputs(inputs, [&](Index n) { return first + n; }, rows);
      pass_.training = false;
      model_.forward(rows, pass_, [&](std::size_t k, ConstView<T> y) { take(k, first, y); });
    });
  }

 private:
  static std::vector<Parameter<T>*> trained(std::vector<Parameter<T>*> parameters) {
    std::erase_if(parameters, [](const auto* w) { return !w->trained; });
    return parameters;
  }

  /// The longest sum that a product of theirs can have.
  static Index longest(const std::vector<Parameter<T>*>& parameters) {
    Index most = 1;
    for (const auto* w : parameters) most = std::max({most, w->value.rows(), w->value.columns()});
    return most;
  }

  void reserve(Index batch) {
    if (batch <= room_) return;
    model_.reserve(batch, recipe_.threads);
    targets_ = Buffer<T>(batch, model_.outputs());
    room_ = batch;
  }

  template <class Body>
  void in_parts(Index count, Body&& body) {
    const Index part = std::clamp<Index>(kNumbers / model_.widest(), 1, kRows);
    reserve(std::min(count, part));
    for (Index first = 0; first < count; first += part) body(first, std::min(part, count - first));
  }

  template <class At>
  void copy_inputs(const T* inputs, At&& at, Index rows) {
    View<T> x = model_.x(rows);
    for (Index n = 0; n < rows; ++n) {
      std::copy_n(inputs + at(n) * x.cols(), x.cols(), x.data() + n * x.outerStride());
    }
  }

  /// The examples at(0), at(1), ... with their targets, labels as one-hot rows.
  template <class At>
  void gather(const Examples<T>& data, At&& at, Index rows) {
    copy_inputs(data.inputs, at, rows);
    View<T> t = targets_.top(rows);
    for (Index n = 0; n < rows; ++n) {
      T* row = t.data() + n * t.outerStride();
      if (data.values) {
        std::copy_n(data.values + at(n) * t.cols(), t.cols(), row);
      } else if (t.cols() == 1) {
        row[0] = static_cast<T>(data.labels[at(n)]);
      } else {
        std::fill_n(row, t.cols(), T(0));
        row[data.labels[at(n)]] = T(1);
      }
    }
  }

  double forward(Index rows, bool training, std::uint64_t step) {
    pass_.training = training;
    pass_.step = step;
    model_.forward(rows, pass_);
    return recipe_.loss->forward(constant(model_.y(rows)), constant(targets_.top(rows)),
                                 model_.dy(rows));
  }

  void backward(Index rows, Receiver<T>& gradients) {
    pass_.gradients = &gradients;
    recipe_.loss->backward(constant(targets_.top(rows)), model_.dy(rows));
    model_.backward(rows, pass_);
  }

  /// The gradients with the regularizer's part.
  void backward_and_keep(Index rows) {
    for (auto* w : trained_) {
      if (!w->gradient) w->gradient = Buffer<T>(w->value.rows(), w->value.columns());
    }
    backward(rows, keep_);
    for (auto* w : trained_) {
      auto dw = flat(w->gradient.all());
      if (w->weight) recipe_.regularizer.add_gradient(flat(constant(w->value.all())), dw);
    }
  }

  void step(Index rows) {
    if (recipe_.clipping.kind != Clipping::Kind::global_norm) {
      // Each block of a gradient updates its block of the parameter as soon as it is there.
      backward(rows, *recipe_.optimizer);
      return;
    }
    // The norm of all gradients has to be known before the first step is taken.
    backward_and_keep(rows);
    const double norm = global_norm(trained_);
    for (auto* w : trained_) {
      if (!(norm <= recipe_.clipping.limit)) {
        flat(w->gradient.all()) *= static_cast<T>(recipe_.clipping.limit / norm);
      }
      recipe_.optimizer->receive(*w, 0, 0, constant(w->gradient.all()));
    }
  }

  std::int64_t count_right(Index rows, const std::int64_t* labels) {
    View<T> y = model_.y(rows);
    std::int64_t right = 0;
    if (y.cols() == 1) {
      recipe_.loss->probabilities(y);
      for (Index n = 0; n < rows; ++n) right += (y(n, 0) > T(0.5)) == (labels[n] == 1);
      return right;
    }
    for (Index n = 0; n < rows; ++n) right += largest(y, n) == labels[n];
    return right;
  }

  /// The first of the largest scores of an example, or the first that is not a number.
  static Index largest(View<T> y, Index n) {
    Index best = 0;
    for (Index k = 0; k < y.cols() && !std::isnan(y(n, best)); ++k) {
      if (!(y(n, k) <= y(n, best))) best = k;
    }
    return best;
  }

  /// Copies gradients to where their parameters keep them.
  class Keep final : public Receiver<T> {
   public:
    void receive(Parameter<T>& w, Index i, Index j, ConstView<T> dw) override {
      for (Index r = 0; r < dw.rows(); ++r) {
        std::copy_n(dw.data() + r * dw.outerStride(), dw.cols(),
                    w.gradient.data() + (i + r) * w.gradient.stride() + j);
      }
    }
  };

  Sequential<T> model_;
  Recipe<T> recipe_;
  std::vector<Parameter<T>*> parameters_, trained_;
  Products<T> products_;
  Pass<T> pass_;
  Buffer<T> targets_;
  Keep keep_;
  Index room_ = 0;
};

}  // namespace byhand
